//! Compiles `proto/` with protox, so that no protoc is needed.

use std::path::{Path, PathBuf};

const FILES: [&str; 4] = [
    "sandi/identity/v1/types.proto",
    "sandi/identity/v1/services.proto",
    "sandi/identity/events/v1/events.proto",
    "sandi/mailer/events/v1/events.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let descriptors = protox::Compiler::new([root])?
        .include_source_info(true)
        .include_imports(true)
        .open_files(FILES)?
        .file_descriptor_set();
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(
        out.join("descriptors.bin"),
        prost::Message::encode_to_vec(&descriptors),
    )?;
    tonic_prost_build::configure()
        .codec_path("crate::codec::Codec")
        .compile_fds(descriptors)?;
    Ok(())
}
