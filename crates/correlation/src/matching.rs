//! The best one-to-one assignment on a sparse graph: the sum of the weights is the largest that there is.
//!
//! Owns the algorithm alone. Rows are added one by one, each along its cheapest augmenting path (Dijkstra on reduced costs), and a
//! row may stay alone at no cost, so that an answer always exists.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// An edge from a row to a column; only weights above zero are of use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Edge {
    pub(crate) column: usize,
    pub(crate) weight: f64,
}

/// For each row its column, or none. `edges[row]` are the row's edges, columns below `columns`.
pub(crate) fn assign(edges: &[Vec<Edge>], columns: usize) -> Vec<Option<usize>> {
    let mut matching = Matching::new(edges, columns);
    for row in 0..edges.len() {
        matching.add(row);
    }
    // A column beyond the shared ones is the row's own: it stays alone.
    matching.column_of.into_iter().map(|column| column.filter(|column| *column < columns)).collect()
}

struct Matching<'a> {
    edges: &'a [Vec<Edge>],
    columns: usize,
    column_of: Vec<Option<usize>>,
    row_of: Vec<Option<usize>>,
    /// Potentials of columns; those of rows follow from them.
    row_potential: Vec<f64>,
    column_potential: Vec<f64>,
    /// The search of the row that is added; only what it touched is cleared again.
    cost_to: Vec<f64>,
    from_row: Vec<usize>,
    is_done: Vec<bool>,
    touched: Vec<usize>,
}

/// A column that can be reached at a cost.
#[derive(PartialEq)]
struct Reached {
    cost: f64,
    column: usize,
}

impl Eq for Reached {}

impl Ord for Reached {
    fn cmp(&self, other: &Self) -> Ordering {
        // The heap gives the greatest first: turned round, and by column where costs are equal.
        other.cost.total_cmp(&self.cost).then_with(|| other.column.cmp(&self.column))
    }
}

impl PartialOrd for Reached {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<'a> Matching<'a> {
    fn new(edges: &'a [Vec<Edge>], columns: usize) -> Self {
        let all = columns + edges.len();
        Self {
            edges,
            columns,
            column_of: vec![None; edges.len()],
            row_of: vec![None; all],
            row_potential: vec![0.0; edges.len()],
            column_potential: vec![0.0; all],
            cost_to: vec![f64::INFINITY; all],
            from_row: vec![usize::MAX; all],
            is_done: vec![false; all],
            touched: Vec::new(),
        }
    }

    /// The edges of a row as costs, its own column last.
    fn costs(&self, row: usize) -> impl Iterator<Item = (usize, f64)> {
        let own = self.columns + row;
        self.edges[row].iter().map(|edge| (edge.column, -edge.weight)).chain([(own, 0.0)])
    }

    /// Adds a row along its cheapest augmenting path.
    fn add(&mut self, start: usize) {
        // Reduced costs of the new row must not be negative.
        self.row_potential[start] =
            self.costs(start).map(|(column, cost)| cost - self.column_potential[column]).fold(f64::INFINITY, f64::min);
        let mut done: Vec<usize> = Vec::new();
        let mut heap = BinaryHeap::new();
        let (mut row, mut base) = (start, 0.0);
        let last = loop {
            self.relax(row, base, &mut heap);
            let next = loop {
                // A row's own column is free: there is always one more.
                let Some(next) = heap.pop() else { return };
                if !self.is_done[next.column] && next.cost <= self.cost_to[next.column] {
                    break next;
                }
            };
            self.is_done[next.column] = true;
            done.push(next.column);
            match self.row_of[next.column] {
                None => break next.column,
                Some(taken_by) => (row, base) = (taken_by, next.cost),
            }
        };
        self.turn(start, last, &done);
        for column in std::mem::take(&mut self.touched) {
            (self.cost_to[column], self.from_row[column], self.is_done[column]) = (f64::INFINITY, usize::MAX, false);
        }
    }

    /// Offers the columns of a row at their cost from the start.
    fn relax(&mut self, row: usize, base: f64, heap: &mut BinaryHeap<Reached>) {
        let own = self.columns + row;
        let edges = self.edges;
        for (column, cost) in edges[row].iter().map(|edge| (edge.column, -edge.weight)).chain([(own, 0.0)]) {
            let reduced = (cost - self.row_potential[row] - self.column_potential[column]).max(0.0);
            if !self.is_done[column] && base + reduced < self.cost_to[column] {
                self.cost_to[column] = base + reduced;
                self.from_row[column] = row;
                self.touched.push(column);
                heap.push(Reached { cost: base + reduced, column });
            }
        }
    }

    /// Moves the potentials and turns the path round.
    fn turn(&mut self, start: usize, last: usize, done: &[usize]) {
        let total = self.cost_to[last];
        self.row_potential[start] += total;
        for column in done.iter().copied().filter(|column| *column != last) {
            let gain = total - self.cost_to[column];
            self.column_potential[column] -= gain;
            if let Some(row) = self.row_of[column] {
                self.row_potential[row] += gain;
            }
        }
        let mut column = last;
        loop {
            let row = self.from_row[column];
            let before = self.column_of[row].replace(column);
            self.row_of[column] = Some(row);
            match before {
                Some(before) if row != start => column = before,
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn weight_of(edges: &[Vec<Edge>], columns: &[Option<usize>]) -> f64 {
        let weight = |(row, column): (usize, &Option<usize>)| {
            column.map_or(0.0, |column| edges[row].iter().find(|edge| edge.column == column).map_or(f64::NAN, |edge| edge.weight))
        };
        columns.iter().enumerate().map(weight).sum()
    }

    /// The best sum by trying everything.
    fn best(edges: &[Vec<Edge>], row: usize, taken: &mut Vec<bool>) -> f64 {
        if row == edges.len() {
            return 0.0;
        }
        let mut top = best(edges, row + 1, taken);
        for edge in &edges[row] {
            if !taken[edge.column] {
                taken[edge.column] = true;
                top = top.max(edge.weight + best(edges, row + 1, taken));
                taken[edge.column] = false;
            }
        }
        top
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn the_sum_is_the_largest_that_there_is(
            raw in proptest::collection::vec(proptest::collection::btree_map(0_usize..5, 1_u32..1000, 0..5), 0..6)
        ) {
            let edges: Vec<Vec<Edge>> = raw.iter()
                .map(|row| row.iter().map(|(column, weight)| Edge { column: *column, weight: f64::from(*weight) / 16.0 }).collect())
                .collect();
            let columns = assign(&edges, 5);
            let used: Vec<usize> = columns.iter().flatten().copied().collect();
            let distinct: std::collections::BTreeSet<usize> = used.iter().copied().collect();
            prop_assert_eq!(used.len(), distinct.len());
            let (ours, top) = (weight_of(&edges, &columns), best(&edges, 0, &mut vec![false; 5]));
            prop_assert!((ours - top).abs() < 1e-9, "{} of {}", ours, top);
        }
    }

    #[test]
    fn a_greedy_choice_is_taken_back() {
        let edge = |column, weight| Edge { column, weight };
        let edges = [vec![edge(0, 10.0), edge(1, 9.0)], vec![edge(0, 9.5)]];
        assert_eq!(assign(&edges, 2), [Some(1), Some(0)]);
    }
}
