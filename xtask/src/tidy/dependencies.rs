//! What members may say of their dependencies and features.

use anyhow::{Context, Result};

use super::manifest::{Entry, Sections};
use super::{Complaint, Member};

/// The only crates whose errors are for people, not for callers.
const MAY_USE_ANYHOW: [&str; 2] = ["nas-lid", "xtask"];

/// The only crates that choose burn's backend.
const MAY_NAME_BACKENDS: [&str; 2] = ["nas-lid", "benches"];

/// Crates and the features that bring kernels for a backend that others choose.
const HAVE_KERNELS: [(&str, &str); 3] =
    [("cube-ops", "burn/cuda"), ("cube-ops", "burn/webgpu"), ("supernet", "cube-ops/cuda")];

/// burn's features that choose a backend other than the CPU one of the workspace table.
const BACKENDS: [&str; 10] =
    ["cuda", "rocm", "wgpu", "vulkan", "metal", "webgpu", "ndarray", "candle", "tch", "router"];

pub(super) fn check(members: &[Member]) -> Result<Vec<Complaint>> {
    let mut complaints = Vec::new();
    for member in members {
        let sections = Sections::of(&member.text).with_context(|| member.name.clone())?;
        complaints.extend(check_inheritance(member, &sections));
        if !MAY_USE_ANYHOW.contains(&member.name.as_str()) && member.any.contains("anyhow") {
            let message = format!("only {} depend on anyhow", MAY_USE_ANYHOW.join(" and "));
            complaints.push(member.complaint(sections.line_of("anyhow"), message));
        }
        if !MAY_NAME_BACKENDS.contains(&member.name.as_str()) {
            complaints.extend(check_backends(member, &sections));
        }
    }
    Ok(complaints)
}

fn check_inheritance(member: &Member, sections: &Sections) -> Vec<Complaint> {
    let own = sections.dependencies.iter().filter(|entry| !entry.inherited);
    let complaint = |Entry { key, line, .. }: &Entry| {
        member.complaint(*line, format!("dependency `{key}` is not `workspace = true`"))
    };
    own.map(complaint).collect()
}

fn check_backends(member: &Member, sections: &Sections) -> Vec<Complaint> {
    let entries = sections.features.iter().chain(&sections.dependencies);
    let named = entries
        .filter_map(|entry| Some((entry.line, backend_of(entry)?)))
        .filter(|&(_, backend)| !HAVE_KERNELS.contains(&(member.name.as_str(), backend)));
    let complaint = |(line, backend)| {
        let allowed = MAY_NAME_BACKENDS.join(" and ");
        member.complaint(line, format!("backend `{backend}` is named outside {allowed}"))
    };
    named.map(complaint).collect()
}

/// The first backend that an entry names: `cuda`, `burn/cuda` or `burn?/cuda`.
fn backend_of(entry: &Entry) -> Option<&str> {
    entry.strings.iter().map(String::as_str).find(|string| {
        let feature = string.rsplit_once('/').map_or(*string, |(_, feature)| feature);
        BACKENDS.contains(&feature)
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::listing;
    use super::*;

    #[track_caller]
    fn check_one(name: &str, text: &str, expected: &str) {
        let sections = Sections::of(text).unwrap();
        let member = Member {
            name: name.to_owned(),
            manifest: PathBuf::from("Cargo.toml"),
            text: text.to_owned(),
            any: sections.dependencies.iter().map(|entry| entry.key.clone()).collect(),
            ..Member::default()
        };
        assert_eq!(listing(&check(&[member]).unwrap()), expected);
    }

    #[test]
    fn dependencies_are_inherited() {
        check_one(
            "lid",
            "[dependencies]\na.workspace = true\nb = { workspace = true, features = [\"x\"] }\n",
            "",
        );
        let text = "[dependencies]\nserde = \"1\"\n\n[dev-dependencies]\nrand = { version = \"1\" }\n\n\
                    [target.'cfg(unix)'.dependencies]\nlibc = { workspace = false, version = \"1\" }\n";
        let expected = "\
            Cargo.toml:5: dependency `rand` is not `workspace = true`\n\
            Cargo.toml:8: dependency `libc` is not `workspace = true`\n\
            Cargo.toml:2: dependency `serde` is not `workspace = true`\n";
        let mut lines: Vec<&str> = expected.lines().collect();
        lines.sort_unstable();
        let sections = Sections::of(text).unwrap();
        let member = Member { manifest: PathBuf::from("Cargo.toml"), ..Member::default() };
        let mut got: Vec<String> =
            check_inheritance(&member, &sections).iter().map(ToString::to_string).collect();
        got.sort_unstable();
        assert_eq!(got, lines);
    }

    #[test]
    fn anyhow_is_for_programs() {
        let text = "[dependencies]\nanyhow.workspace = true\n";
        let expected = "Cargo.toml:2: only nas-lid and xtask depend on anyhow\n";
        check_one("search", text, expected);
        check_one("nas-lid", text, "");
    }

    #[test]
    fn backends_are_for_programs() {
        let text = "[features]\n# Adds a device.\ncuda = [\"burn/cuda\", \"burn/fusion\"]\n";
        let expected = "Cargo.toml:3: backend `burn/cuda` is named outside nas-lid and benches\n";
        check_one("search", text, expected);
        check_one("nas-lid", text, "");
        let text = "[features]\n# Brings kernels.\ncuda = [\"dep:cube-ops\", \"cube-ops/cuda\"]\n";
        check_one("supernet", text, "");
        let text = "[dependencies]\nburn = { workspace = true, features = [\"wgpu\"] }\n";
        let expected = "Cargo.toml:2: backend `wgpu` is named outside nas-lid and benches\n";
        check_one("supernet", text, expected);
    }
}
