//! Test numbers of card brands (Braintree, MIT).

use reticent_minimise::{Kind, Options, Scanner};

#[test]
fn test_numbers_of_brands() {
    let Some(folder) = super::test_data("credit-cards") else { return };
    let text = std::fs::read_to_string(folder.join("test_numbers.csv")).unwrap();
    let scanner = Scanner::new(Options { kinds: [Kind::Card].into(), ..Options::default() }).unwrap();
    let (mut valid, mut found, mut missed) = (0, 0, vec![]);
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let all = scanner.scan(&format!("card {}", cells[0])).len();
        match (cells[2], cells[1]) {
            ("1", "expected_matches=0") => assert_eq!(all, 0, "{line}"),
            ("1", _) => {
                valid += 1;
                found += all;
                if all == 0 {
                    missed.push(line);
                }
            }
            _ => assert_eq!(all, 0, "{line}: a failed checksum is no card"),
        }
    }
    eprintln!("card test numbers: {found} of {valid} with a valid checksum found; missed: {missed:?}");
    // Fourteen digits are no length of an American Express card.
    assert_eq!((found, valid, missed), (48, 49, vec!["34343434343434,american-express,1,braintree/credit-card-type"]));
}
