//! Images in every form, beside what umoci unpacks and skopeo rewrites; and images that are damaged, or meant to be.

mod common;

use common::*;
use libellus_footprint::report::map::groupings;
use libellus_footprint::{Options, Report, measure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn report(path: &Path) -> Report {
    measure(path, &Options::default())
        .unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)))
        .report
}

fn sizes(report: &Report) -> (u64, u64, u64, u64) {
    let image = report.image.as_ref().expect("an image");
    (image.stored, image.reachable, image.unreachable, image.duplicates)
}

/// What section 5.1 of the specification gives.
const FIXTURE: (u64, u64, u64, u64) = (3_646_729, 3_145_729, 501_000, 2_097_152);

/// A report without what the form decides: the name of the target, and sizes of compressed layers.
fn comparable(report: &Report) -> Value {
    let mut value = serde_json::to_value(report).expect("JSON");
    value["target"]["path"] = Value::Null;
    value["meters"]["download"] = Value::Null;
    for layer in value["image"]["layers"].as_array_mut().expect("a list") {
        layer["download"] = Value::Null;
    }
    value
}

#[test]
fn a_hand_made_image_has_the_sizes_that_were_computed_for_it() {
    let folder = tempfile::tempdir().expect("a folder");
    layout(folder.path(), &fixture(), gzip);
    let report = report(folder.path());
    assert_eq!(sizes(&report), FIXTURE);
    assert_eq!(report.problems, []);
    let image = report.image.as_ref().expect("an image");
    let instructions: Vec<&str> = image.layers.iter().map(|layer| layer.instruction.as_str()).collect();
    assert_eq!(instructions, ["RUN step 0", "RUN step 1", "RUN step 2", "RUN step 3"], "empty layers take none");
    assert_eq!(image.layers[0].hidden, 501_000);
    assert_eq!(report.meters.download, image.layers.iter().map(|layer| layer.download).sum());
    let ids: BTreeSet<&str> = report.findings.iter().map(|finding| finding.id).collect();
    assert_eq!(ids, BTreeSet::from(["F301", "F302"]));
}

/// The map of the page: each layer has what it brought and can still be reached, and what is hidden of it.
#[test]
fn a_map_by_layers_adds_up_to_what_is_stored() {
    let folder = tempfile::tempdir().expect("a folder");
    layout(folder.path(), &fixture(), gzip);
    let measured = measure(folder.path(), &Options::default()).expect("an image");
    let groupings = groupings(&measured);
    let by = |by: &str| &groupings.iter().find(|grouping| grouping.by == by).expect("there").whole;
    assert_eq!((by("layer").bytes, by("folder").bytes), (FIXTURE.0, FIXTURE.1));
    let image = measured.report.image.as_ref().expect("an image");
    for area in &by("layer").inside {
        let (number, instruction) = area.name.split_once(' ').expect("a number");
        let layer = &image.layers[number.parse::<usize>().expect("a number") - 1];
        assert_eq!((instruction, area.bytes), (layer.instruction.as_str(), layer.stored));
        let hidden = area.inside.iter().find(|part| part.name == "hidden by later layers").map_or(0, |part| part.bytes);
        assert_eq!(hidden, layer.hidden, "{area:?}");
        let inside: u64 = area.inside.iter().map(|part| part.bytes).sum();
        assert!(area.inside.is_empty() || inside == area.bytes, "{area:?}");
    }
    // The first inode of `a/big` is reached by its other name only, and lies where that is.
    assert!(format!("{:?}", by("layer").inside).contains("a/hl"), "{:?}", by("layer"));
}

#[test]
fn umoci_unpacks_what_is_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let (image, bundle) = (folder.path().join("image"), folder.path().join("bundle"));
    layout(&image, &fixture(), gzip);
    without_attestation(&image);
    let name = format!("{}:latest", image.display());
    let unpacked = run("umoci", &["unpack", "--rootless", "--image", &name, bundle.to_str().expect("UTF-8")]);
    if unpacked.is_none() {
        return;
    }
    // Our own walk of what another program unpacked: inodes, each once.
    let theirs = report(&bundle.join("rootfs"));
    let ours = report(&image);
    assert_eq!((theirs.meters.content, theirs.files), (ours.meters.content, ours.files));
}

#[test]
fn one_image_gives_one_report_in_every_form() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    layout(&at("gzip"), &fixture(), gzip);
    without_attestation(&at("gzip"));
    let expected = comparable(&report(&at("gzip")));
    // Members and frames one after the other, as eStargz and zstd:chunked have them.
    let halves = |pack: fn(&[u8]) -> Vec<u8>| {
        move |bytes: &[u8]| [pack(&bytes[..bytes.len() / 2]), pack(&bytes[bytes.len() / 2..])].concat()
    };
    let chunked = |bytes: &[u8]| [halves(zstd)(bytes), b"\x50\x2a\x4d\x18\x03\0\0\0toc".to_vec()].concat();
    layout(&at("plain"), &fixture(), |bytes| bytes.to_vec());
    layout(&at("zstd"), &fixture(), zstd);
    layout(&at("members"), &fixture(), halves(gzip));
    layout(&at("chunked"), &fixture(), chunked);
    for form in ["plain", "zstd", "members", "chunked"] {
        assert_eq!(comparable(&report(&at(form))), expected, "{form}");
    }
    let from = format!("oci:{}:latest", at("gzip").display());
    for (form, to) in [
        ("docker.tar", format!("docker-archive:{}:x:latest", at("docker.tar").display())),
        ("oci.tar", format!("oci-archive:{}:latest", at("oci.tar").display())),
    ] {
        if run("skopeo", &["copy", "--insecure-policy", &from, &to]).is_none() {
            return;
        }
        let found = report(&at(form));
        assert_eq!(comparable(&found), expected, "{form}");
        // What is kept uncompressed has no size to be downloaded that anyone knows.
        assert_eq!(found.meters.download.is_none(), form == "docker.tar", "{form}");
    }
    let to = format!("oci:{}:latest", at("skopeo-zstd").display());
    if run("skopeo", &["copy", "--insecure-policy", "--dest-compress-format", "zstd", &from, &to]).is_some() {
        assert_eq!(comparable(&report(&at("skopeo-zstd"))), expected, "skopeo's zstd");
    }
}

#[test]
fn entries_of_every_kind_are_read() {
    let long = "deep/".repeat(40) + "file";
    let layer = TarWriter::default()
        .pax(&[("path", &long), ("size", "3")])
        .entry("short", b'0', "", 3, b"abc")
        .entry("@LongLink", b'L', "", 8, b"longname")
        .entry("cut", b'0', "", 2, b"de")
        // Sparse, as PAX has it: 10 MB for a reader, 512 bytes in the archive.
        .pax(&[
            ("GNU.sparse.major", "1"),
            ("GNU.sparse.minor", "0"),
            ("GNU.sparse.name", "sparse"),
            ("GNU.sparse.realsize", "10000000"),
        ])
        .entry("GNUSparseFile.0/sparse", b'0', "", 512, &[0; 512])
        .entry("device", b'3', "", 0, b"")
        .entry("loop", b'2', "loop", 0, b"")
        .file("stargz.index.json", b"{}")
        .finish();
    let folder = tempfile::tempdir().expect("a folder");
    layout(folder.path(), &[layer], gzip);
    let measured = measure(folder.path(), &Options::default()).expect("read");
    assert_eq!(sizes(&measured.report).0, 10_000_005);
    let mut paths: Vec<String> =
        measured.tree.ids().filter(|id| !measured.tree.is_directory(*id)).map(|id| measured.tree.path(id)).collect();
    paths.sort();
    assert_eq!(paths, [long.as_str(), "device", "longname", "loop", "sparse"]);
    assert_eq!(measured.report.problems, []);
}

#[test]
fn bad_layers_cost_themselves_only() {
    let good = TarWriter::default().file("good", b"fine").finish();
    let climbing = TarWriter::default()
        .file("../../etc/passwd", b"root")
        .file("/absolute", b"ok")
        .hard_link("nowhere", "not/there")
        .finish();
    let mut truncated = TarWriter::default().file("first", b"1").file("second", &[2; 4000]).finish();
    truncated.truncate(3000);
    let mut damaged = TarWriter::default().file("x", b"y").finish();
    damaged[0] = b'z';
    let endless = TarWriter::default().entry("huge", b'0', "", 1 << 40, b"").finish();
    let folder = tempfile::tempdir().expect("a folder");
    layout(folder.path(), &[good.clone(), climbing, truncated, damaged, endless, good], |bytes| bytes.to_vec());
    let report = report(folder.path());
    let reasons: Vec<&str> = report.problems.iter().map(|problem| problem.reason.as_str()).collect();
    for part in ["climbs out", "hard link to what is not there", "midst of a file", "wrong checksum"] {
        assert!(reasons.iter().any(|reason| reason.contains(part)), "`{part}` in {reasons:?}");
    }
    let (stored, reachable, ..) = sizes(&report);
    assert!(stored >= reachable && reachable > 4 + 2, "{report:?}");
    // What a header claims and the archive does not hold is not counted: a header each, and 1464 of the 4000 bytes.
    assert_eq!(
        report.image.map(|image| image.layers.iter().map(|layer| layer.stored).collect()),
        Some(vec![4, 2, 1465, 0, 1024, 4])
    );
}

#[test]
fn sizes_that_are_only_claimed_do_not_add_up_to_a_panic() {
    let claim = i64::MAX.to_string();
    let sparse = |tar: TarWriter, name: &str| {
        let attributes = [("GNU.sparse.name", name), ("GNU.sparse.realsize", claim.as_str())];
        tar.pax(&attributes).file("x", b"x")
    };
    let layer = ["a", "b", "c"].into_iter().fold(TarWriter::default(), sparse).finish();
    let folder = tempfile::tempdir().expect("a folder");
    layout(folder.path(), &[layer], gzip);
    let report = report(folder.path());
    assert!(report.problems.iter().any(|problem| problem.reason.contains("more bytes than")), "{:?}", report.problems);
    assert_eq!(sizes(&report).0, u64::MAX - 1);
}

#[test]
fn missing_and_exchanged_blobs_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let layers = [b"one", b"two"].map(|content| TarWriter::default().file("f", content).finish());
    layout(folder.path(), &layers, |bytes| bytes.to_vec());
    let path = |layer: &[u8]| folder.path().join("blobs/sha256").join(digest(layer).trim_start_matches("sha256:"));
    fs::remove_file(path(&layers[0])).expect("it was there");
    fs::write(path(&layers[1]), TarWriter::default().file("f", b"six").finish()).expect("written");
    let reasons: Vec<String> = report(folder.path()).problems.into_iter().map(|problem| problem.reason).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("another hash")), "{reasons:?}");

    // Without its configuration an image has layers still; without any of those, nothing.
    let blobs =
        || fs::read_dir(folder.path().join("blobs/sha256")).expect("listed").map(|one| one.expect("listed").path());
    let config = blobs().find(|path| fs::read_to_string(path).is_ok_and(|text| text.contains("\"rootfs\"")));
    fs::remove_file(config.expect("there is one")).expect("removed");
    let found = report(folder.path());
    assert_eq!(found.problems.len(), 3, "{:?}", found.problems);
    assert_eq!(found.meters.content, Some(3));
    fs::remove_file(path(&layers[1])).expect("it was there");
    let error = measure(folder.path(), &Options::default()).err().expect("nothing is left");
    let source = std::error::Error::source(&error).expect("a reason").to_string();
    assert!(error.is_about_reading() && source.starts_with("`blobs/sha256/"), "{source}");
}

/// A few megabytes that would become some gigabytes: reading stops, and says so.
#[test]
fn what_was_made_to_explode_is_stopped() {
    let size = 3u64 << 30;
    let head = TarWriter::default().entry("zeros", b'0', "", size, b"").finish();
    let block = best_gzip(&vec![0; 64 << 20]);
    let mut bomb = gzip(&head[..512]);
    (0..size / (64 << 20)).for_each(|_| bomb.extend_from_slice(&block));
    let folder = tempfile::tempdir().expect("a folder");
    layout(folder.path(), &[TarWriter::default().file("good", b"fine").finish()], |_| bomb.clone());
    let report = report(folder.path());
    assert!(
        report.problems.iter().any(|problem| problem.reason.contains("reading was stopped")),
        "{:?}",
        report.problems
    );
}
