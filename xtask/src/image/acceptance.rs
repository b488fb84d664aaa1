//! Whether the image works: read by tools that are not ours, and started as a platform would start it.

use super::contained::{Bundle, Service, Volume};
use super::{dockerfile, make, sbom_path};
use crate::dist::{self, Arch, Edition};
use crate::run::{capture, command, run};
use crate::scratch::Scratch;
use crate::{Failure, root, tools};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// The largest image that is shipped; the aims are 31 and 22 MB.
const BUDGET: [&str; 2] = ["content=35MB", "download=28MB"];

/// The largest lite image; the aim is 18 MB unpacked.
const LITE_BUDGET: [&str; 2] = ["content=26MB", "download=22MB"];

/// Checks the bill of materials against the schema of CycloneDX.
const VALIDATE: &str = "\
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
sys.exit(JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read()))";

/// Makes the image for this machine, and checks everything about it.
pub fn check() -> Result<(), Failure> {
    let arch = Arch::host()?;
    let executable = dist::build(arch)?;
    let scratch = Scratch::new("image")?;
    let archive = scratch.path("libellus.oci.tar");
    make(arch, Edition::Standard, &executable, &archive)?;
    let (lite, lite_archive) = (dist::build_edition(arch, Edition::Lite)?, scratch.path("libellus-lite.oci.tar"));
    make(arch, Edition::Lite, &lite, &lite_archive)?;
    for (archive, budget) in [(&archive, BUDGET), (&lite_archive, LITE_BUDGET)] {
        // With what anyone else would hold an image to its budget with.
        let budget = budget.iter().flat_map(|budget| ["--budget", budget]);
        run(command(&executable, &["footprint"]).arg(archive).args(budget))?;
    }
    same_again(arch, &executable, &archive, &scratch)?;
    validate_sbom(&sbom_path(&archive))?;
    if !Bundle::can_start() {
        println!("the image is not unpacked, nor the Dockerfile built: that takes root, and the right to mount");
        return Ok(());
    }
    let bundle = unpack(&archive, &scratch)?;
    dockerfile::check(&bundle, &scratch)?;
    without_a_volume(&bundle)?;
    serves_readers(&bundle, &Volume::new(scratch.path("volume"))?)
}

/// The same executable gives the same bytes, the bill of materials included.
fn same_again(arch: Arch, executable: &Path, archive: &Path, scratch: &Scratch) -> Result<(), Failure> {
    let again = scratch.path("again.oci.tar");
    make(arch, Edition::Standard, executable, &again)?;
    for (first, second) in [(archive.to_owned(), again.clone()), (sbom_path(archive), sbom_path(&again))] {
        let read = |path: &Path| fs::read(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()));
        if read(&first)? != read(&second)? {
            return Err(format!("`{}` has other bytes when it is made again", first.display()));
        }
    }
    println!("made twice: the same bytes");
    Ok(())
}

fn validate_sbom(sbom: &Path) -> Result<(), Failure> {
    let packages = tools::python_packages(&["cyclonedx-python-lib[json-validation]==11.12.0"])?;
    run(command("python3", &["-c", VALIDATE]).arg(sbom).env("PYTHONPATH", packages))
}

/// Lets skopeo and umoci read the archive, as OCI and as Docker write it.
fn unpack(archive: &Path, scratch: &Scratch) -> Result<Bundle, Failure> {
    tools::require(&tools::SKOPEO)?;
    tools::require(&tools::UMOCI)?;
    let image = |transport: &str| format!("{transport}:{}", archive.display());
    let config = |image: &str| -> Result<Value, Failure> {
        let json = capture(&mut command("skopeo", &["inspect", "--config", "--raw", image]))?;
        serde_json::from_str(&json).map_err(|error| format!("`{image}` has no configuration in JSON: {error}"))
    };
    let as_oci = config(&image("oci-archive"))?;
    if as_oci != config(&image("docker-archive"))? {
        return Err("the image is another one for Docker than for OCI".to_owned());
    }
    let layout = scratch.path("layout");
    let copy = format!("oci:{}:it", layout.display());
    run(&mut command("skopeo", &["copy", "--quiet", &image("oci-archive"), &copy]))?;
    let bundle = scratch.path("bundle");
    run(command("umoci", &["unpack"]).arg("--image").arg(format!("{}:it", layout.display())).arg(&bundle))?;
    Bundle::open(bundle, as_oci)
}

/// A root that cannot be written, and no volume in it, or one of another owner: an error that says so, and no crash.
fn without_a_volume(bundle: &Bundle) -> Result<(), Failure> {
    let output = bundle.serve(None, 0).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    print!("without a volume: {said}");
    let is_clear = said.contains("error: ") && said.contains("/data") && !said.contains("panicked");
    if output.status.code() == Some(1) && is_clear {
        return Ok(());
    }
    Err(format!("without a volume, the service ended with {} and said:\n{said}", output.status))
}

/// Health, an import, a search, and an end on SIGTERM that leaves no request unanswered.
fn serves_readers(bundle: &Bundle, volume: &Volume) -> Result<(), Failure> {
    let service = Service::start(bundle, volume)?;
    service.expect_unprivileged()?;
    service.expect("/health", "\"ok\"")?;
    let books = root().join("samples/books.jsonl");
    let input = fs::File::open(&books).map_err(|error| format!("cannot read `{}`: {error}", books.display()))?;
    run(bundle.command(Some(volume), &["/libellus", "import", "-"]).stdin(input))?;
    service.expect("/api/search?q=a+salesman+turns+into+a+giant+bug&limit=1", "The Metamorphosis")?;
    service.expect("/api/search?q=Mary+Shelley&mode=keyword", "Frankenstein")?;
    service.expect_healthy(&["--ready"])?;
    service.end_in_the_middle_of_a_request()?;
    println!("in the image: health, an import, searches, and a clean end on SIGTERM");
    Ok(())
}
