//! The modules of the crate in the order in which data flows: none uses one that comes after it.

use std::fs;
use std::path::{Path, PathBuf};

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The modules that `lib.rs` lists, in its order.
fn listed() -> Vec<String> {
    let lib = fs::read_to_string(source().join("lib.rs")).unwrap();
    let name = |line: &str| {
        let shown = line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("pub(crate) mod "));
        Some(shown?.strip_suffix(';')?.to_owned())
    };
    lib.lines().filter_map(name).collect()
}

/// Every source file below a folder.
fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, into);
        } else if path.extension().is_some_and(|e| e == "rs") {
            into.push(path);
        }
    }
}

/// The top module that a file belongs to.
fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(source()).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// The top modules that the product part of a text names by `crate::`.
fn uses(text: &str) -> Vec<String> {
    let product = text.split("#[cfg(test)]").next().unwrap_or_default();
    let code = product.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut found = Vec::new();
    for line in code {
        assert!(!line.contains("crate::{"), "one module for each `use`, so that it is seen: {line}");
        for after in line.split("crate::").skip(1) {
            let end = after.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(after.len());
            found.push(after[..end].to_owned());
        }
    }
    found
}

#[test]
fn no_module_uses_a_later_one() {
    let order = listed();
    let place = |module: &str| order.iter().position(|m| m == module);
    assert!(place("fixed") < place("engine"), "{order:?}");
    let mut all = Vec::new();
    files(&source(), &mut all);
    let mut looked_at = 0;
    for path in all {
        let module = module_of(&path);
        if module == "lib" {
            continue;
        }
        let here = place(&module).unwrap_or_else(|| panic!("{module} is not in lib.rs"));
        for used in uses(&fs::read_to_string(&path).unwrap()) {
            // `pub(crate)` macros and the like name no module.
            let Some(there) = place(&used) else { continue };
            looked_at += 1;
            assert!(there <= here, "{} uses {used}, which comes after {module}", path.display());
        }
    }
    assert!(looked_at > 100, "only {looked_at} uses were found");
}
