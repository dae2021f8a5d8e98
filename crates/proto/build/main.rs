//! Compiles `proto/` with protox, so that no protoc is needed.

mod access;
mod redact;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const ROOT: &str = "../../proto";

#[expect(clippy::print_stdout, reason = "how a build script speaks to cargo")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={ROOT}");
    println!("cargo:rerun-if-changed=build");
    let mut files = Vec::new();
    find_protos(Path::new(ROOT), &mut files)?;
    // So that the same tree gives the same code.
    files.sort();

    let mut compiler = protox::Compiler::new([ROOT])?;
    compiler.include_source_info(true).include_imports(true);
    compiler.open_files(files)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), compiler.encode_file_descriptor_set())?;

    access::write(&out, &compiler.descriptor_pool())?;
    let redacted = redact::redacted_messages(&compiler.descriptor_pool());
    tonic_prost_build::configure()
        .codec_path("crate::codec::Codec")
        .skip_debug(redacted.iter().map(|m| format!(".{}", m.full_name())))
        .compile_fds(compiler.file_descriptor_set())?;
    for message in &redacted {
        redact::append_debug(&out, message)?;
    }
    Ok(())
}

fn find_protos(directory: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            find_protos(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    Ok(())
}
