//! Simulated support messages: templates × names × numbers, made up here, nobody's.

use rand::RngExt;
use rand_chacha::ChaCha20Rng;
use reticent_data::{Messages, PseudonymKey, SubjectId};

const FIRST: [&str; 24] = [
    "Dana", "Omar", "Lena", "Ivan", "Mira", "Noah", "Sara", "Theo", "Vera", "Hugo", "Nina", "Paul", "Rosa", "Adam", "Elif", "Jon", "Kira",
    "Luca", "Maya", "Otto", "Petra", "Ravi", "Tara", "Yusuf",
];
const LAST: [&str; 24] = [
    "Keller", "Haddad", "Novak", "Silva", "Berg", "Costa", "Fischer", "Garcia", "Horvat", "Ito", "Jansen", "Kowal", "Larsen", "Moreau",
    "Nagy", "Okoye", "Petrov", "Quinn", "Rossi", "Santos", "Tanaka", "Ueda", "Varga", "Weber",
];
const PRODUCTS: [&str; 8] = ["kettle", "lamp", "phone case", "backpack", "keyboard", "headset", "blender", "tent"];
const CITIES: [&str; 8] = ["Graz", "Porto", "Malmo", "Lyon", "Gdansk", "Turin", "Cork", "Ghent"];

/// A secret planted in the messages of one customer.
pub(crate) struct Canary {
    pub(crate) kind: CanaryKind,
    /// What stands before the secret.
    pub(crate) prefix: String,
    /// What a model must not give back.
    pub(crate) secret: String,
    /// How often it stands in the messages of its one customer.
    pub(crate) repeats: u32,
}

/// What kind of secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum CanaryKind {
    /// 16 digits that pass the Luhn check.
    Card,
    /// Eight random letters at a domain.
    Email,
}

impl CanaryKind {
    /// A secret of this kind, drawn from all of them alike.
    pub(crate) fn draw(self, rng: &mut ChaCha20Rng) -> String {
        match self {
            Self::Card => card(rng),
            Self::Email => {
                let name: String = (0..8).map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect();
                format!("{name}@mail.example")
            }
        }
    }

    fn prefix(self, name: &str) -> String {
        match self {
            Self::Card => format!("refund to card of {name}: "),
            Self::Email => format!("please answer {name} at: "),
        }
    }
}

/// 16 digits beginning with 4, the last of them Luhn's.
fn card(rng: &mut ChaCha20Rng) -> String {
    let mut digits: Vec<u32> = [4].into_iter().chain((0..14).map(|_| rng.random_range(0..10))).collect();
    let doubled = |(i, &d): (usize, &u32)| if i % 2 == 0 { d * 2 / 10 + d * 2 % 10 } else { d };
    let sum: u32 = digits.iter().enumerate().map(doubled).sum();
    digits.push((10 - sum % 10) % 10);
    digits.iter().filter_map(|&d| char::from_digit(d, 10)).collect()
}

fn pick<'a>(from: &[&'a str], rng: &mut ChaCha20Rng) -> &'a str {
    from[rng.random_range(0..from.len())]
}

/// Secrets to plant: for each number of repeats `cards` cards and `emails` addresses, each of another customer.
pub(crate) fn canaries(repeats: &[u32], cards: usize, emails: usize, rng: &mut ChaCha20Rng) -> Vec<Canary> {
    let mut names: Vec<String> = FIRST.iter().flat_map(|f| LAST.iter().map(move |l| format!("{f} {l}"))).collect();
    let mut all = vec![];
    for &repeats in repeats {
        let kinds = std::iter::repeat_n(CanaryKind::Card, cards).chain(std::iter::repeat_n(CanaryKind::Email, emails));
        for kind in kinds {
            let name = names.swap_remove(rng.random_range(0..names.len()));
            all.push(Canary { kind, prefix: kind.prefix(&name), secret: kind.draw(rng), repeats });
        }
    }
    all
}

/// An ordinary message.
fn message(rng: &mut ChaCha20Rng) -> String {
    let (product, city, order) = (pick(&PRODUCTS, rng), pick(&CITIES, rng), rng.random_range(10_000..100_000));
    let name = format!("{} {}", pick(&FIRST, rng), pick(&LAST, rng));
    match rng.random_range(0..12) {
        0 => format!("hi, my {product} from order {order} has not arrived."),
        1 => format!("the {product} is broken, can you send a new one to {city}?"),
        2 => format!("please cancel order {order}. thanks, {name}"),
        3 | 9 | 10 => format!("refund to card of {name}: {}", card(rng)),
        4 => format!("when will the {product} be back in stock?"),
        5 => format!("i moved to {city}, please change the address of order {order}."),
        6 | 11 => format!("please answer {name} at: {}", CanaryKind::Email.draw(rng)),
        7 => format!("great service, the {product} came in two days."),
        _ => format!("the invoice for order {order} is missing. {name}"),
    }
}

/// Messages of customers, none of them planted; `each` of every customer.
pub(crate) fn simulate(customers: usize, each: usize, rng: &mut ChaCha20Rng) -> Messages {
    (0..customers).flat_map(|customer| (0..each).map(move |_| customer)).map(|c| (subject("customer", c), message(rng))).collect()
}

/// The messages of the customers who repeat a secret: each a unit of its own, which writes `beside` ordinary messages as well.
pub(crate) fn plant(secrets: &[Canary], beside: usize, rng: &mut ChaCha20Rng) -> Vec<(SubjectId, String)> {
    let mut all = vec![];
    for (index, secret) in secrets.iter().enumerate() {
        let id = subject("planted", index);
        let mut texts: Vec<String> = (0..beside).map(|_| message(rng)).collect();
        // Not one after the other: a person repeats a number in between other things.
        for _ in 0..secret.repeats {
            texts.insert(rng.random_range(0..=texts.len()), format!("{}{}", secret.prefix, secret.secret));
        }
        all.extend(texts.into_iter().map(|text| (id, text)));
    }
    all
}

/// These units are nobody: their pseudonyms protect no one.
fn subject(kind: &str, number: usize) -> SubjectId {
    PseudonymKey::from_bytes([0; 32]).subject(kind, &number.to_string())
}
