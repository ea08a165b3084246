//! A small workspace in release mode, at any step of the way, and the program run on it.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use tempfile::TempDir;

/// People in the data; three rows each, of which the cap keeps two.
pub(crate) const PEOPLE: usize = 100;
pub(crate) const RECORDS: usize = 3 * PEOPLE;

pub(crate) const CONFIG: &str = r#"version = 1
mode = "release"
statement = "Made-up data; controller and consents are simulated."

[controller]
name = "Example Clinic (simulated)"
contact = "privacy@example.org"
jurisdiction = "EU"

[purposes.care]
iri = "https://w3id.org/dpv#ServiceProvision"
description = "Will a visit be followed by another?"
owner = "Head of care (simulated)"
retention = "P3Y"
art6 = "a"
art9 = "a"
notices = ["2024-1"]
exclude = ["withdrawn", "expired-notice"]

[data.visits]
file = "visits.csv"
subject = "patient"
record = "visit"
units = 100
target = "again"
events = "consent.csv"
groups = ["sex"]

[data.visits.columns]
age = [0, 110]
sex = ["f", "m"]
pressure = { range = [60, 220], special = "health" }
again = ["no", "yes"]
note = "drop"

[models.risk]
data = "visits"
purpose = "care"
kind = "logistic"
privacy = { epsilon = 2.0, delta = 1e-5, releases = 2, max_rows_per_subject = 2, sample_rate = 0.2, steps = 40 }
"#;

/// `visit,patient,age,sex,pressure,again,note`: the older and the higher the pressure, the likelier another visit.
pub(crate) fn rows() -> String {
    let mut random = Random(1);
    let mut text = String::from("visit,patient,age,sex,pressure,again,note\n");
    for patient in 0..PEOPLE {
        let (age, sex) = (20 + random.below(70), ["f", "m"][random.below(2) as usize]);
        for visit in 0..3 {
            let pressure = 100 + random.below(80);
            let again = if age + pressure + random.below(60) > 220 { "yes" } else { "no" };
            text += &format!("{},{},{age},{sex},{pressure},{again},free text\n", 1000 + 3 * patient + visit, person(patient));
        }
    }
    text
}

/// The id of a person in the source files, and nowhere else.
pub(crate) fn person(number: usize) -> String {
    format!("patient-{:04}-of-nowhere", number + 1)
}

/// Of 100: 12 withdrawn, 10 under an old notice, 11 without an Art 9 condition, 67 with all that is needed.
pub(crate) fn consents() -> String {
    let mut text = String::from("subject,purpose,state,at,notice,art6,art9\n");
    for number in 0..PEOPLE {
        let (notice, art9) = match number {
            12..22 => ("2023-1", "a"),
            22..33 => ("2024-1", ""),
            _ => ("2024-1", "a"),
        };
        text += &format!("{},care,given,2024-03-01,{notice},a,{art9}\n", person(number));
        if number < 12 {
            text += &format!("{},care,withdrawn,2024-09-15,,,\n", person(number));
        }
    }
    text
}

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// How far a workspace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Bare,
    Imported,
    Consented,
    Assessed,
    Trained,
}

pub(crate) const TRAIN: [&str; 3] = ["train", "--exclude", "no-art9-condition"];

pub(crate) struct Workspace {
    folder: TempDir,
}

impl Workspace {
    pub(crate) fn bare() -> Self {
        Self::with(CONFIG, &rows(), &consents())
    }

    pub(crate) fn with(config: &str, rows: &str, consents: &str) -> Self {
        let workspace = Self { folder: TempDir::with_prefix("reticent-it-").unwrap() };
        workspace.put("reticent.toml", config);
        workspace.put("visits.csv", rows);
        workspace.put("consent.csv", consents);
        workspace
    }

    /// A copy of a workspace that went this far. Each stage is reached once for all tests.
    pub(crate) fn at(stage: Stage) -> Self {
        static STAGES: [OnceLock<Workspace>; 5] = [const { OnceLock::new() }; 5];
        let template = STAGES[stage as usize].get_or_init(|| {
            let (before, step): (Stage, &[&str]) = match stage {
                Stage::Bare => return Self::bare(),
                Stage::Imported => (Stage::Bare, &["import"]),
                Stage::Consented => (Stage::Imported, &["consent", "import"]),
                Stage::Assessed => (Stage::Consented, &["assess", "--plan"]),
                Stage::Trained => (Stage::Assessed, &TRAIN),
            };
            let workspace = Self::at(before);
            if stage == Stage::Imported {
                workspace.know_pseudonyms();
            }
            workspace.done(step);
            workspace
        });
        let copy = Self { folder: TempDir::with_prefix("reticent-it-").unwrap() };
        copy_folder(template.path(), copy.path());
        copy
    }

    /// Gives it a pseudonym key, before any other is made: who is held out for tests follows from pseudonyms, and would else be drawn anew in
    /// each run of these tests, with every number that is measured on them.
    pub(crate) fn know_pseudonyms(&self) {
        let keys = self.file(".reticent/keys");
        fs::create_dir_all(&keys).unwrap();
        private(&keys, 0o700);
        let key = keys.join("pseudonym.key");
        fs::write(&key, "5e".repeat(32)).unwrap();
        private(&key, 0o600);
    }

    /// This workspace as it is now, elsewhere.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self { folder: TempDir::with_prefix("reticent-it-").unwrap() };
        copy_folder(self.path(), copy.path());
        copy
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }

    pub(crate) fn put(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    /// Replaces the first `from` in a file, which must be there.
    pub(crate) fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no {from:?}");
        self.put(name, &text.replacen(from, to, 1));
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        command(args.iter().copied().chain(["--dir", self.path().to_str().unwrap()]))
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        Run::of(&mut self.command(args), self.path())
    }

    /// Runs what must succeed.
    #[track_caller]
    pub(crate) fn done(&self, args: &[&str]) -> Run {
        let run = self.run(args);
        assert_eq!(run.code, Some(0), "reticent {}\n{}{}", args.join(" "), run.stdout, run.stderr);
        run
    }

    /// Runs what must succeed, with `--json`.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        self.done(&args).json()
    }

    /// The controller decides in favour on what is declared now.
    #[track_caller]
    pub(crate) fn approve(&self) {
        for part in ["necessity", "risks", "measures"] {
            self.done(&["assess", "write", part, "--text", "written for a test", "--author", "head of care"]);
        }
        self.done(&["assess", "decide", "--by", "controller", "--approve", "--reason", "as assessed"]);
    }

    /// The ledger, unlocked: what a library sees of it.
    pub(crate) fn ledger(&self) -> reticent_govern::Ledger {
        let mut ledger = reticent_govern::Ledger::open(&self.file(".reticent/ledger.db")).unwrap();
        let mut key = [0; 32];
        hex::decode_to_slice(self.read(".reticent/keys/ledger.key").trim(), &mut key).unwrap();
        ledger.unlock(&reticent_govern::LedgerKey::from_bytes(&key)).unwrap();
        ledger
    }

    /// Number of events in the ledger.
    #[track_caller]
    pub(crate) fn events(&self) -> u64 {
        self.json(&["status"])["events"].as_u64().unwrap()
    }

    /// The budget, where one is open.
    #[track_caller]
    pub(crate) fn budget(&self) -> Option<Budget> {
        let answer = self.json(&["budget"]);
        let budget = answer["budgets"].as_array().unwrap().first()?.get("budget").unwrap().clone();
        let charges = budget["reservations"].as_array().unwrap();
        Some(Budget {
            total: budget["total"].as_f64().unwrap(),
            spent: budget["spent"].as_f64().unwrap(),
            charges: charges.iter().map(|c| (c["state"].as_str().unwrap().to_owned(), c["cost"].as_f64().unwrap())).collect(),
        })
    }

    /// Released models on record.
    #[track_caller]
    pub(crate) fn models(&self) -> Vec<String> {
        self.json(&["status"])["models"].as_array().unwrap().iter().map(|m| m.as_str().unwrap().to_owned()).collect()
    }

    /// Every file but the lock, with its bytes.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        walk(self.path(), &mut |path| {
            let name = path.strip_prefix(self.path()).unwrap().to_str().unwrap().to_owned();
            if name != ".reticent/lock" {
                files.insert(name, fs::read(path).unwrap());
            }
        });
        files
    }

    /// Names of the files, but for `sources`, that hold `text` as it is.
    pub(crate) fn files_with(&self, text: &str, sources: &[&str]) -> Vec<String> {
        let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|w| w == text.as_bytes());
        self.files().into_iter().filter(|(name, bytes)| !sources.contains(&name.as_str()) && holds(bytes)).map(|(name, _)| name).collect()
    }
}

pub(crate) struct Budget {
    pub(crate) total: f64,
    pub(crate) spent: f64,
    /// State and cost of each charge.
    pub(crate) charges: Vec<(String, f64)>,
}

/// What a command said and how it ended.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    dir: String,
}

impl Run {
    pub(crate) fn of(command: &mut Command, dir: &Path) -> Self {
        let output = command.stdin(Stdio::null()).output().unwrap();
        Self::from(output, dir)
    }

    pub(crate) fn from(output: std::process::Output, dir: &Path) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            dir: dir.to_str().unwrap().to_owned(),
        }
    }

    /// What a person sees when it fails: the exit code and stderr, with the folder as `DIR`.
    pub(crate) fn refusal(&self) -> String {
        assert_eq!(self.stdout, "", "a failure says nothing on stdout");
        format!("exit {}\n{}", self.code.unwrap_or(-1), self.stderr.replace(&self.dir, "DIR"))
    }

    /// The one JSON object on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let value: Value = serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {:?}\n{}", self.stdout, self.stderr));
        assert_eq!(value["schema_version"], 1);
        value
    }
}

pub(crate) fn command<'a>(args: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reticent"));
    command.args(args).env("RETICENT_ACTOR", "tester");
    command
}

fn walk(folder: &Path, each: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, each) } else { each(&path) }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

impl Workspace {
    /// Whether a run has a file of this name now, while another process may be at work.
    /// Waits until a training that is at work draws noise.
    pub(crate) fn wait_for_noise(&self, training: &mut Child) {
        while !self.files_named("noise.key") {
            assert!(training.try_wait().unwrap().is_none(), "the training ended before it began");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    pub(crate) fn files_named(&self, name: &str) -> bool {
        let Ok(runs) = fs::read_dir(self.file(".reticent/runs")) else { return false };
        runs.flatten().any(|run| run.path().join(name).exists())
    }
}

/// For its owner alone, as the program asks of keys.
fn private(path: &Path, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
}
