//! The rare losses: their atoms, and sums of several.

use super::super::table::{Step, UNIT};

/// An atom at a loss: its mass under P and under Q.
#[derive(Debug, Clone, Copy)]
pub(super) struct Atom {
    pub(super) loss: f64,
    pub(super) p: f64,
    pub(super) q: f64,
}

/// Most edges of rare losses.
const MOST_EDGES: usize = 1 << 14;

/// Edges from `low` to `high`, each as far from the next as `ratio` of its distance from 0, and no farther than that of 5; `None` where they
/// would be too many, or none is above 0.
fn edges(low: f64, high: f64, ratio: f64) -> Option<Vec<f64>> {
    if !(low > 0.0 && low.is_finite()) {
        return None;
    }
    let mut edges = vec![low];
    let mut at = low;
    while at < high {
        if edges.len() == MOST_EDGES {
            return None;
        }
        at += ratio * at.min(5.0);
        edges.push(at);
    }
    Some(edges)
}

/// The losses of a step above that at `from`, on edges; and the mass of those larger than `highest` or too rare.
pub(super) fn rare_above(all: &Step, from: f64, ratio: f64, highest: f64) -> Option<(Vec<Atom>, f64)> {
    let first = all.offset(from) + all.lowest();
    let last = (all.lowest() + all.span()).min(highest).max(first);
    let edges = edges(first, last, ratio)?;
    let mut atoms: Vec<Atom> = edges.iter().map(|&loss| Atom { loss, p: 0.0, q: 0.0 }).collect();
    let mut cut = all.cut(from);
    for (i, pair) in edges.windows(2).enumerate() {
        let next = all.cut(all.at_offset(pair[1] - all.lowest()));
        let piece = all.piece(&cut, &next);
        let (p, q) = (piece.p.max(0.0) + piece.p_error, piece.q);
        // An edge is where its loss is to within a unit or two of the loss.
        let slack = piece.p_error + pair[0].exp() * piece.q_error + 64.0 * UNIT * p * (1.0 + pair[0].abs());
        let up = up(p, q, pair[0], pair[1], slack);
        atoms[i].p += p - up;
        atoms[i + 1].p += up;
        cut = next;
    }
    for atom in &mut atoms {
        atom.q = atom.p * (-atom.loss).exp();
    }
    Some((atoms, all.mixture(&cut)))
}

/// How much of a cell's mass goes to its upper edge, so that its masses under both neighbours are kept.
fn up(p: f64, q: f64, low: f64, high: f64, slack: f64) -> f64 {
    let up = ((p - q * low.exp()).max(0.0) + slack) / -(low - high).exp_m1();
    if up.is_finite() { up.min(p) } else { p }
}

/// The losses of a step above that at `from`, each cell's as one.
pub(super) fn rare_below(all: &Step, from: f64, ratio: f64) -> Option<Vec<Atom>> {
    let first = all.offset(from) + all.lowest();
    let last = all.lowest() + all.span();
    let mut atoms = Vec::new();
    let mut cut = all.cut(from);
    for edge in edges(first, last, ratio)?.into_iter().skip(1) {
        let next = all.cut(all.at_offset(edge - all.lowest()));
        let piece = all.piece(&cut, &next);
        if let Some(loss) = piece.log_ratio() {
            let p = (piece.p - piece.p_error).max(0.0);
            let loss = loss - piece.ratio_error();
            atoms.push(Atom { loss, p, q: p * (-loss).exp() });
        }
        cut = next;
    }
    Some(atoms)
}

/// All sums of a loss of each, in cells between `edges`: masses under P and under Q, and the mass of sums above the last edge, or of
/// those of a loss and all from some other on that have at most `tiny` together.
fn sums(one: &[Atom], other: &[Atom], factor: f64, edges: &[f64], tiny: f64) -> (Vec<(f64, f64)>, f64) {
    let mut cells = vec![(0.0, 0.0); edges.len() - 1];
    // The mass of an atom and of all after it.
    let mut beyond: Vec<f64> = other
        .iter()
        .rev()
        .scan(0.0, |sum, atom| {
            *sum += atom.p;
            Some(*sum)
        })
        .collect();
    beyond.reverse();
    let mut over = 0.0;
    for a in one {
        let (p, q) = (a.p * factor, a.q * factor);
        let some = beyond.partition_point(|&mass| p * mass > tiny);
        over += p * beyond.get(some).copied().unwrap_or(0.0);
        let mut others = other[..some].iter();
        let mut next = others.next();
        let first = next.map_or(0, |b| edges[1..].partition_point(|&end| end <= a.loss + b.loss));
        // Both ascend: a cell's sums lie beside each other.
        for (cell, &end) in cells.iter_mut().zip(&edges[1..]).skip(first) {
            let (mut sum_p, mut sum_q) = (0.0, 0.0);
            while let Some(b) = next
                && a.loss + b.loss < end
            {
                sum_p += b.p;
                sum_q += b.q;
                next = others.next();
            }
            cell.0 += p * sum_p;
            cell.1 += q * sum_q;
            if next.is_none() {
                break;
            }
        }
        over += p * (next.map_or(0.0, |b| b.p) + others.map(|b| b.p).sum::<f64>());
    }
    (cells, over)
}

/// Atoms of mass up to `tiny` go to infinity.
pub(super) fn convolve_above(one: &[Atom], other: &[Atom], factor: f64, ratio: f64, highest: f64, tiny: f64) -> Option<(Vec<Atom>, f64)> {
    let (Some(a), Some(b)) = (one.first().zip(other.first()), one.last().zip(other.last())) else { return Some((vec![], 0.0)) };
    if one.len() == 1 && one[0].loss == 0.0 {
        let times = one[0].p * factor;
        return Some((other.iter().map(|o| Atom { loss: o.loss, p: o.p * times, q: o.q * times }).collect(), 0.0));
    }
    let edges = edges(a.0.loss + a.1.loss, (b.0.loss + b.1.loss).min(highest), ratio)?;
    let (cells, mut over) = sums(one, other, factor, &edges, tiny);
    let mut atoms: Vec<Atom> = edges.iter().map(|&loss| Atom { loss, p: 0.0, q: 0.0 }).collect();
    for (i, (p, q)) in cells.into_iter().enumerate() {
        // Thousands of terms, each to some units.
        let up = up(p, q, edges[i], edges[i + 1], 1e-12 * p);
        atoms[i].p += p - up;
        atoms[i + 1].p += up;
    }
    for atom in &mut atoms {
        atom.q = atom.p * (-atom.loss).exp();
    }
    atoms.retain(|atom| {
        over += if atom.p > tiny { 0.0 } else { atom.p };
        atom.p > tiny
    });
    Some((atoms, over))
}

pub(super) fn convolve_below(one: &[Atom], other: &[Atom], factor: f64, ratio: f64, tiny: f64) -> Option<Vec<Atom>> {
    let (Some(a), Some(b)) = (one.first().zip(other.first()), one.last().zip(other.last())) else { return Some(vec![]) };
    if one.len() == 1 && one[0].loss == 0.0 {
        let times = one[0].p * factor;
        return Some(other.iter().map(|o| Atom { loss: o.loss, p: o.p * times, q: o.q * times }).collect());
    }
    let edges = edges(a.0.loss + a.1.loss, b.0.loss + b.1.loss, ratio)?;
    let (cells, _) = sums(one, other, factor, &edges, tiny);
    let atom = |(p, q): (f64, f64)| {
        // Thousands of terms, each to some units.
        (p > tiny && q > 1e-300).then(|| Atom { loss: (p / q).ln() - 4e-12, p, q })
    };
    Some(cells.into_iter().filter_map(atom).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is too large or too small to be told apart is charged: all mass is an atom's or infinite.
    /// From 0 or below no edge is farther, and far enough there would be no end of them.
    #[test]
    fn edges_end() {
        assert!(edges(0.0, 1.0, 0.01).is_none() && edges(-1e-16, 1.0, 0.01).is_none() && edges(1.0, 1e9, 0.01).is_none());
        assert_eq!(edges(1.0, 1.02, 0.01).unwrap().len(), 3);
    }

    #[test]
    fn no_mass_is_lost() {
        let atoms = [(0.1, 0.2), (0.5, 0.3), (2.0, 0.1)].map(|(loss, p): (f64, f64)| Atom { loss, p, q: p * (-loss).exp() });
        // The larger leaves out whole pairs of atoms, too.
        for tiny in [1e-3, 0.02] {
            let (next, over) = convolve_above(&atoms, &atoms, 0.5, 0.05, 1.5, tiny).unwrap();
            let total = next.iter().map(|a| a.p).sum::<f64>() + over;
            assert!((total - 0.5 * 0.36).abs() < 1e-15 && over > 0.05, "{tiny}: {total} {over}");
        }
    }

    /// Every pair in the cell its sum lies in, under both laws; and what is beyond the last edge.
    #[test]
    fn cells_hold_the_sums_of_all_pairs() {
        let of = |losses: &[f64]| -> Vec<Atom> {
            losses.iter().map(|&l| Atom { loss: l, p: 0.3 / (1.0 + l), q: 0.2 / (1.0 + l * l) }).collect()
        };
        let (one, other) = (of(&[0.11, 0.4, 0.93, 1.7]), of(&[0.07, 0.2, 0.21, 0.6, 1.3, 2.2]));
        let edges = edges(0.18, 3.0, 0.1).unwrap();
        let (cells, over) = sums(&one, &other, 0.5, &edges, 0.0);
        let (mut slow, mut slow_over) = (vec![(0.0, 0.0); cells.len()], 0.0);
        for (a, b) in one.iter().flat_map(|a| other.iter().map(move |b| (a, b))) {
            match edges.windows(2).position(|cell| (cell[0]..cell[1]).contains(&(a.loss + b.loss))) {
                Some(at) => slow[at] = (slow[at].0 + 0.5 * a.p * b.p, slow[at].1 + 0.5 * a.q * b.q),
                None => slow_over += 0.5 * a.p * b.p,
            }
        }
        assert!((over - slow_over).abs() < 1e-15 && slow_over > 0.0, "{over} {slow_over}");
        for (cell, slow) in cells.iter().zip(&slow) {
            assert!((cell.0 - slow.0).abs() < 1e-15 && (cell.1 - slow.1).abs() < 1e-15, "{cells:?} {slow:?}");
        }
    }
}
