//! Recommends from a folder that `sasrec_fast.export` wrote, without Python.
//!
//! serve_folder FOLDER K ITEM_ID... prints the K best items after a history, and their scores.
//! The environment variable ORT_DYLIB_PATH names the library of ONNX Runtime.

use ort::session::Session;
use ort::value::Tensor;
use serde_json::Value;
use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The content of a .npy file: what its header says of shape and dtype, and the bytes after it.
fn read_npy(path: &Path) -> Result<(String, Vec<u8>)> {
    let bytes = std::fs::read(path)?;
    if bytes.get(..8) != Some(b"\x93NUMPY\x01\x00") {
        return Err(format!("{} is no .npy file of version 1", path.display()).into());
    }
    let start = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    Ok((String::from_utf8_lossy(&bytes[10..start]).into_owned(), bytes[start..].to_vec()))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn integers(bytes: &[u8]) -> Vec<i64> {
    let value = |b: &[u8]| i64::from_le_bytes(b.try_into().expect("eight bytes"));
    bytes.chunks_exact(8).map(value).collect()
}

struct Folder {
    folder: PathBuf,
    manifest: Value,
}

impl Folder {
    fn open(folder: &str) -> Result<Self> {
        let folder = PathBuf::from(folder);
        let manifest: Value =
            serde_json::from_slice(&std::fs::read(folder.join("manifest.json"))?)?;
        if manifest["version"] != 1 {
            let found = &manifest["version"];
            return Err(format!("the folder has version {found}, expected 1: no times").into());
        }
        Ok(Self { folder, manifest })
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        Some(self.folder.join(self.manifest["files"][name]["file"].as_str()?))
    }

    fn number(&self, name: &str) -> Result<usize> {
        let found = self.manifest[name].as_u64().ok_or_else(|| format!("no {name}"))?;
        Ok(usize::try_from(found)?)
    }

    /// The ids of the items, that of index 1 first; without a file every index is its own id.
    fn ids(&self) -> Result<Vec<i64>> {
        match self.file("item_ids") {
            Some(path) if path.extension().is_some_and(|suffix| suffix == "npy") => {
                let (header, bytes) = read_npy(&path)?;
                assert!(header.contains("'<i8'"), "ids are int64 here, not {header}");
                Ok(integers(&bytes))
            }
            Some(path) => Err(format!("{} holds text", path.display()).into()),
            None => Ok((1..self.number("vocabulary_size")? as i64).collect()),
        }
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, k, history @ ..] = &arguments[..] else {
        return Err("usage: serve_folder FOLDER K ITEM_ID...".into());
    };
    let folder = Folder::open(folder)?;
    let (ids, dim) = (folder.ids()?, folder.number("hidden_dim")?);
    let index: HashMap<i64, i32> = ids.iter().copied().zip(1..).collect();
    let wanted = history.iter().map(|id| Ok(id.parse()?)).collect::<Result<Vec<i64>>>()?;
    let seen: Vec<i32> = wanted.iter().filter_map(|id| index.get(id).copied()).collect();

    // The least width that holds the history; the latest items of one that is longer.
    let widths: Vec<usize> = serde_json::from_value(folder.manifest["widths"].clone())?;
    let most = *widths.last().ok_or("no widths")?;
    let width = widths.iter().copied().find(|width| *width >= seen.len()).unwrap_or(most);
    let mut row = seen[seen.len().saturating_sub(width)..].to_vec();
    row.resize(width, 0);

    let graph = folder.file(&format!("encoder_{width}")).ok_or("no encoder")?;
    let environment = ort::init_from(std::env::var("ORT_DYLIB_PATH")?)?.build()?;
    let mut session = Session::builder(&environment)?.commit_from_file(graph)?;
    let input = Tensor::from_array(([1, width], row))?;
    let outputs = session.run(ort::inputs!["item_ids" => input])?;
    let (_, state) = outputs["states"].try_extract_tensor::<f32>()?;

    let vectors = floats(&read_npy(&folder.file("item_vectors").ok_or("no vectors")?)?.1);
    let served = read_npy(&folder.file("served").ok_or("no mask")?)?.1;
    let mut scored: Vec<(f32, usize)> = vectors
        .chunks_exact(dim)
        .enumerate()
        .filter(|(item, _)| served[*item] != 0 && !seen.contains(&(*item as i32)))
        .map(|(item, vector)| (vector.iter().zip(state).map(|(a, b)| a * b).sum(), item))
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    for (score, item) in scored.iter().take(k.parse()?) {
        println!("{}\t{score}", ids[item - 1]);
    }
    Ok(())
}
