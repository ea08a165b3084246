//! The state of a run on the disk: an interrupted run goes on as if it had not been.

use crate::gradient::{read, trainable};
use crate::weights::{Replace, Weights, values};
use crate::{Binding, Error, Privatized, RunKey, tape};
use burn::lr_scheduler::LrSchedulerRecord;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Bool, Bytes, Int, Tensor};
use rand::Rng;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// Where a run keeps its state, and how often.
///
/// The folder holds noised weights only (and, where each person's own bound is kept, what must not be published): it belongs to the run, as
/// the noise key does, and neither is part of what is released.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    /// The run's own folder; it is there already.
    pub folder: PathBuf,
    /// Most steps from one checkpoint to the next. An interrupted run repeats the steps after its last checkpoint, with the same noise.
    pub every: NonZeroU64,
    /// Most time from one to the next, where steps may be slow: the step that goes beyond it is kept. When a state is kept changes no weight.
    pub within: Option<Duration>,
}

impl Checkpoints {
    /// Every so many steps in this folder.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, every: NonZeroU64) -> Self {
        Self { folder: folder.into(), every, within: None }
    }

    /// The files that a run may leave in the folder: its state, and what an interruption left of the next one. Whoever releases or gives up the
    /// run destroys them.
    #[must_use]
    pub fn files(&self) -> [PathBuf; 2] {
        [self.path(), partial(&self.path())]
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.join("run.checkpoint")
    }
}

impl RunKey {
    /// The key that is kept in this file, or a new one from the system's generator that is on the disk when this returns. Delete the file when
    /// the run is over: whoever has it can take the noise off.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Checkpoint`] where the file holds no key.
    pub fn kept_in(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        match std::fs::read(path).map(Zeroizing::new) {
            Ok(bytes) => match <[u8; 32]>::try_from(bytes.as_slice()) {
                Ok(bytes) => Ok(Self::from_bytes(bytes)),
                Err(_) => Err(Error::Checkpoint { why: "the key file holds no key".into() }),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mut bytes = Zeroizing::new([0; 32]);
                fill_from_system(&mut *bytes)?;
                write_durably(path, &*bytes)?;
                Ok(Self::from_bytes(*bytes))
            }
            Err(source) => Err(Error::Io { what: format!("cannot read {}", path.display()), source }),
        }
    }

    /// A key from the system's generator that ends with the process: its run cannot go on after an interruption.
    ///
    /// # Errors
    /// [`Error::Io`] where the system gives no randomness.
    pub fn fresh() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        fill_from_system(&mut *bytes)?;
        Ok(Self::from_bytes(*bytes))
    }

    /// 16 bytes in hexadecimal that tell this key with this value from any other, and nothing about either.
    fn tag(&self, binding: &Binding, what: &str) -> String {
        let mut bytes = [0; 16];
        self.stream(binding, "identity", 0, what).fill_bytes(&mut bytes);
        hex::encode(bytes)
    }

    /// Which run this is: of this key, bound to this.
    pub(crate) fn run(&self, binding: &Binding) -> String {
        self.tag(binding, "run")
    }
}

fn fill_from_system(bytes: &mut [u8]) -> Result<(), Error> {
    getrandom::fill(bytes)
        .map_err(|error| Error::Io { what: "the system gives no randomness".into(), source: std::io::Error::other(error) })
}

/// What a run's noise depends on, each under the run's key so that the file tells nothing about it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity(BTreeMap<String, String>);

impl Identity {
    /// `settings` is all that changes how a sum is rounded or what is averaged.
    pub(crate) fn new(key: &RunKey, binding: &Binding, settings: &str) -> Self {
        let alone = |value: &str| Binding { plan: value.into(), permit: String::new(), data: String::new(), machine: String::new() };
        let parts = [
            ("noise key", ""),
            ("plan", &binding.plan),
            ("permit", &binding.permit),
            ("data", &binding.data),
            ("program or machine", &binding.machine),
            ("settings", settings),
        ];
        Self(parts.into_iter().map(|(part, value)| (part.to_owned(), key.tag(&alone(value), part))).collect())
    }

    fn check(&self, found: &Self) -> Result<(), Error> {
        let differs = |part: &&String| self.0.get(*part) != found.0.get(*part);
        let changed: Vec<String> = match differs(&&"noise key".to_owned()) {
            true => vec!["noise key".into()],
            false => self.0.keys().filter(differs).cloned().collect(),
        };
        if changed.is_empty() { Ok(()) } else { Err(Error::OtherRun { changed }) }
    }
}

/// All that a run needs to go on.
pub(crate) struct State {
    pub(crate) identity: Identity,
    pub(crate) step: u64,
    /// What the next step clips to, before its schedule.
    pub(crate) clip: f64,
    /// The counts of individual accounting, where they are kept.
    pub(crate) individual: Option<Vec<u32>>,
}

/// What stands in the header.
#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    identity: Identity,
    step: u64,
    clip: f64,
    parameters: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    name: String,
    /// The optimiser's state is kept by it.
    id: u64,
    len: usize,
}

const FORMAT: u32 = 1;
const HEADER: &str = "reticent";
const DIGEST: usize = 32;

/// Writes weights, their average, the optimiser and the schedule.
pub(crate) fn save<M: Module>(path: &Path, state: &State, weights: &Weights<M, Privatized>) -> Result<(), Error> {
    let damaged = |why: String| Error::Checkpoint { why };
    let values = values(&weights.model);
    let parameters: Vec<Entry> =
        trainable(&weights.model).into_iter().map(|p| Entry { name: p.name, id: p.id.val(), len: p.len }).collect();
    let mut tensors: Vec<(String, Dtype, Vec<u8>)> = vec![];
    for (place, entry) in parameters.iter().enumerate() {
        let id = ParamId::from(entry.id);
        let own = &values[&id];
        // Half the size, where nothing is lost.
        let (dtype, bytes): (Dtype, Vec<u8>) = match own.iter().all(|&v| (v as f32 as f64).to_bits() == v.to_bits()) {
            true => (Dtype::F32, own.iter().flat_map(|&v| (v as f32).to_le_bytes()).collect()),
            false => (Dtype::F64, own.iter().flat_map(|v| v.to_le_bytes()).collect()),
        };
        tensors.push((format!("weight.{place}"), dtype, bytes));
        if let Some(average) = weights.average.get(&id) {
            tensors.push((format!("average.{place}"), Dtype::F64, average.iter().flat_map(|v| v.to_le_bytes()).collect()));
        }
    }
    let bytes = weights.optimizer.into_bytes().map_err(|e| damaged(e.to_string()))?;
    tensors.push(("optimizer".into(), Dtype::U8, bytes.to_vec()));
    let bytes = weights.schedule.to_record().into_bytes().map_err(|e| damaged(e.to_string()))?;
    tensors.push(("schedule".into(), Dtype::U8, bytes.to_vec()));
    if let Some(counts) = &state.individual {
        tensors.push(("individual".into(), Dtype::U32, counts.iter().flat_map(|c| c.to_le_bytes()).collect()));
    }
    let header = Header { format: FORMAT, identity: state.identity.clone(), step: state.step, clip: state.clip, parameters };
    let header = HashMap::from([(HEADER.to_owned(), serde_json::to_string(&header).expect("plain data has JSON"))]);
    let views: Result<Vec<_>, _> = tensors
        .iter()
        .map(|(name, dtype, bytes)| {
            TensorView::new(*dtype, vec![bytes.len() * 8 / dtype.bitsize()], bytes).map(|view| (name.clone(), view))
        })
        .collect();
    let file = views.and_then(|views| safetensors::serialize(views, Some(header))).map_err(|e| damaged(e.to_string()))?;
    let digest = Sha256::digest(&file);
    write_durably(path, &[digest.as_slice(), &file].concat())
}

/// Reads what [`save`] wrote into the weights of a run that is the same in all that its noise depends on; `None` where there is no file.
pub(crate) fn load<M: Module>(path: &Path, identity: &Identity, weights: &mut Weights<M, Privatized>) -> Result<Option<State>, Error> {
    let file = match std::fs::read(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Error::Io { what: format!("cannot read {}", path.display()), source }),
    };
    let wrong = |why: &str| Error::Checkpoint { why: why.into() };
    let failed = |why: String| Error::Checkpoint { why };
    let Some((digest, file)) = file.split_at_checked(DIGEST) else { return Err(wrong("it is too short")) };
    if Sha256::digest(file).as_slice() != digest {
        return Err(wrong("it is damaged"));
    }
    let (_, metadata) = SafeTensors::read_metadata(file).map_err(|e| failed(e.to_string()))?;
    let header = metadata.metadata().as_ref().and_then(|m| m.get(HEADER)).ok_or_else(|| wrong("it has no header"))?;
    let header: Header = serde_json::from_str(header).map_err(|e| failed(e.to_string()))?;
    if header.format != FORMAT {
        return Err(wrong("another version of the program wrote it"));
    }
    identity.check(&header.identity)?;
    let tensors = SafeTensors::deserialize(file).map_err(|e| failed(e.to_string()))?;
    let tensor = |name: &str| tensors.tensor(name).map_err(|e| failed(e.to_string()));
    let parameters = trainable(&weights.model);
    let fits = |(entry, parameter): (&Entry, &crate::gradient::Parameter)| entry.name == parameter.name && entry.len == parameter.len;
    if parameters.len() != header.parameters.len() || !header.parameters.iter().zip(&parameters).all(fits) {
        return Err(wrong("the model has other parameters"));
    }
    let (mut replace, mut average) = (BTreeMap::new(), BTreeMap::new());
    for (place, (entry, parameter)) in header.parameters.iter().zip(&parameters).enumerate() {
        // Fresh parameters have fresh ids; the optimiser's state is kept by the old ones.
        let id = ParamId::from(entry.id);
        replace.insert(parameter.id, (id, floats(&tensor(&format!("weight.{place}"))?)));
        if let Ok(values) = tensors.tensor(&format!("average.{place}")) {
            average.insert(id, floats(&values));
        }
    }
    let bytes = |name: &str| Ok::<_, Error>(Bytes::from_bytes_vec(tensor(name)?.data().to_vec()));
    let schedule = LrSchedulerRecord::from_bytes(bytes("schedule")?).map_err(|e| failed(e.to_string()))?;
    weights.optimizer = weights.optimizer.clone().from_bytes(bytes("optimizer")?).map_err(|e| failed(e.to_string()))?;
    weights.schedule = weights.schedule.clone().load_record(schedule);
    weights.model = weights.model.clone().map(&mut Replace(replace));
    weights.average = average;
    weights.done = header.step;
    let words = |view: TensorView<'_>| view.data().chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let individual = tensors.tensor("individual").ok().map(words);
    Ok(Some(State { identity: header.identity, step: header.step, clip: header.clip, individual }))
}

fn floats(view: &TensorView<'_>) -> Vec<f64> {
    match view.dtype() {
        Dtype::F64 => view.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("eight bytes"))).collect(),
        _ => view.data().chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().expect("four bytes")))).collect(),
    }
}

/// SHA-256 of what a run does not move: a loss computed on other frozen weights is another loss.
pub(crate) fn frozen<M: Module>(model: &M) -> String {
    struct Frozen(Sha256);
    impl ModuleVisitor for Frozen {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if !tape::is_trainable(param) {
                read(tape::plain(param.base())).iter().for_each(|v| self.0.update(v.to_le_bytes()));
            }
        }
        fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
            self.0.update(param.base().into_data().as_bytes());
        }
        fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
            self.0.update(param.base().into_data().as_bytes());
        }
    }
    let mut frozen = Frozen(Sha256::new());
    model.visit(&mut frozen);
    hex::encode(frozen.0.finalize())
}

/// The name of a file that is not complete.
fn partial(path: &Path) -> PathBuf {
    path.with_extension("partial")
}

/// Writes a file so that a crash leaves the old one or the new one, and the new one once this returns. Nobody else may read it.
fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let io = |source| Error::Io { what: format!("cannot write {}", path.display()), source };
    let partial = partial(path);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&partial).map_err(io)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io)?;
    std::fs::rename(&partial, path).map_err(io)?;
    sync_folder_of(path)
}

/// Makes the names in the folder of this file last.
pub(crate) fn sync_folder_of(path: &Path) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let io = |source| Error::Io { what: format!("cannot write the folder {}", folder.display()), source };
    if cfg!(unix) { File::open(folder).and_then(|folder| folder.sync_all()).map_err(io) } else { Ok(()) }
}
