//! The workspace as cargo describes it.
//!
//! Job: list our crates, what each depends on, and their files. Owns: nothing. Does not know: any rule.

use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand};

use crate::report::Error;

/// Our crates and where they live.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The folder of the root Cargo.toml.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    /// Every member, by name.
    pub(crate) crates: Vec<Crate>,
}

/// One member of the workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Crate {
    /// Package name: `outcrop-tcp`.
    pub(crate) name: String,
    /// Folder, relative to the root: `crates/l4-tcp`.
    pub(crate) dir: String,
    /// Dependencies of the library and its build, by package name.
    pub(crate) dependencies: Vec<String>,
    /// Dependencies of its tests and examples only.
    pub(crate) dev_dependencies: Vec<String>,
    /// Cargo features, without `default` and without those that cargo makes of optional dependencies.
    pub(crate) features: Vec<String>,
    /// Names of its runnable examples.
    pub(crate) examples: Vec<String>,
}

impl Workspace {
    /// The workspace around the current directory.
    pub(crate) fn find() -> Result<Self, Error> {
        let metadata = MetadataCommand::new().no_deps().exec()?;
        let root = metadata.workspace_root.as_std_path().to_owned();
        let mut crates: Vec<_> = metadata
            .workspace_packages()
            .iter()
            .map(|package| Crate::new(package, &root))
            .collect();
        crates.sort_by(|a, b| a.dir.cmp(&b.dir));
        let target = metadata.target_directory.as_std_path().to_owned();
        Ok(Self {
            root,
            target,
            crates,
        })
    }

    /// The member with this package name.
    #[cfg(test)]
    pub(crate) fn by_name(&self, name: &str) -> Option<&Crate> {
        self.crates.iter().find(|member| member.name == name)
    }

    /// Whether `name` is one of ours.
    pub(crate) fn owns(&self, name: &str) -> bool {
        self.crates.iter().any(|member| member.name == name)
    }

    /// `path` as it is written in findings.
    pub(crate) fn relative(&self, path: &Path) -> String {
        let path = path.strip_prefix(&self.root).unwrap_or(path);
        path.display().to_string()
    }
}

impl Crate {
    fn new(package: &cargo_metadata::Package, root: &Path) -> Self {
        let manifest = package.manifest_path.as_std_path();
        let dir = manifest.parent().unwrap_or(manifest);
        let dir = dir.strip_prefix(root).unwrap_or(dir);
        let (dev, normal): (Vec<_>, Vec<_>) = package
            .dependencies
            .iter()
            .partition(|dep| dep.kind == DependencyKind::Development);
        let names =
            |deps: Vec<&cargo_metadata::Dependency>| deps.iter().map(|d| d.name.clone()).collect();
        Self {
            name: package.name.to_string(),
            dir: dir.display().to_string(),
            dependencies: names(normal),
            dev_dependencies: names(dev),
            features: declared_features(package),
            examples: package
                .targets
                .iter()
                .filter(|target| target.is_example())
                .map(|target| target.name.clone())
                .collect(),
        }
    }

    /// The name in the table of layers: `tcp` of `outcrop-tcp`, else the package name.
    pub(crate) fn short(&self) -> &str {
        short_name(&self.name)
    }
}

/// `tcp` of `outcrop-tcp`.
pub(crate) fn short_name(package: &str) -> &str {
    package.strip_prefix("outcrop-").unwrap_or(package)
}

fn declared_features(package: &cargo_metadata::Package) -> Vec<String> {
    let implicit = |name: &str, turns_on: &[String]| matches!(turns_on, [one] if one.strip_prefix("dep:") == Some(name));
    package
        .features
        .iter()
        .filter(|(name, turns_on)| *name != "default" && !implicit(name, turns_on))
        .map(|(name, _)| name.clone())
        .collect()
}

/// Every file below `dir` with this extension, sorted; none if the folder does not exist.
pub(crate) fn files(dir: &Path, extension: &str) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(Error::io(&folder))? {
            let path = entry.map_err(Error::io(&folder))?.path();
            if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The text of a file.
pub(crate) fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(Error::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_repository_has_a_base_and_a_tcp() {
        let workspace = Workspace::find().unwrap();
        let tcp = workspace.by_name("outcrop-tcp").unwrap();
        assert_eq!((tcp.dir.as_str(), tcp.short()), ("crates/l4-tcp", "tcp"));
        assert!(tcp.dependencies.iter().any(|dep| dep == "outcrop-base"));
        assert!(workspace.owns("outcrop-base") && !workspace.owns("bytes"));
    }
}
