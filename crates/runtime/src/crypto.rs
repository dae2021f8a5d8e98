//! One TLS provider for everything: gRPC, PostgreSQL, AMQP, SMTP and OTLP.

/// Makes aws-lc-rs the process's TLS provider. To be called first thing in `main`: without it
/// the first handshake panics. Calling it again changes nothing.
pub fn install_crypto() {
    // An error only says that a provider is there already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
