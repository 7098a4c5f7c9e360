//! The assignment problem: which rows and columns belong together at least cost.
//!
//! Owns one exact algorithm, O(n³), for small matrices.

/// For each row its column, at the least total cost. The matrix has at least as many columns as rows; costs are finite.
///
/// Source: the shortest augmenting path form of the Hungarian method, with potentials (Kuhn 1955, Munkres 1957).
pub fn assign(costs: &[Vec<f64>]) -> Vec<usize> {
    let columns = costs.first().map_or(0, Vec::len);
    let mut state = State { row_of: vec![None; columns], over_rows: vec![0.0; costs.len()], over_columns: vec![0.0; columns] };
    for row in 0..costs.len() {
        state.place(costs, row);
    }
    let mut column_of = vec![0; costs.len()];
    for (column, row) in state.row_of.iter().enumerate() {
        if let Some(row) = row {
            column_of[*row] = column;
        }
    }
    column_of
}

struct State {
    row_of: Vec<Option<usize>>,
    over_rows: Vec<f64>,
    over_columns: Vec<f64>,
}

impl State {
    /// Finds the cheapest chain of changes that gives a row its column.
    fn place(&mut self, costs: &[Vec<f64>], new: usize) {
        let columns = self.row_of.len();
        let (mut slack, mut from) = (vec![f64::INFINITY; columns], vec![None; columns]);
        let mut is_done = vec![false; columns];
        let (mut row, mut last) = (new, None);
        let end = loop {
            let mut nearest = (f64::INFINITY, 0);
            for column in (0..columns).filter(|column| !is_done[*column]) {
                let reduced = costs[row][column] - self.over_rows[row] - self.over_columns[column];
                if reduced < slack[column] {
                    (slack[column], from[column]) = (reduced, last);
                }
                if slack[column] < nearest.0 {
                    nearest = (slack[column], column);
                }
            }
            let (step, column) = nearest;
            self.shift(new, step, &is_done, &mut slack);
            is_done[column] = true;
            match self.row_of[column] {
                Some(next) => (row, last) = (next, Some(column)),
                None => break column,
            }
        };
        self.augment(end, new, &from);
    }

    fn shift(&mut self, new: usize, step: f64, is_done: &[bool], slack: &mut [f64]) {
        self.over_rows[new] += step;
        for column in 0..is_done.len() {
            if is_done[column] {
                self.over_columns[column] -= step;
                if let Some(row) = self.row_of[column] {
                    self.over_rows[row] += step;
                }
            } else {
                slack[column] -= step;
            }
        }
    }

    fn augment(&mut self, end: usize, new: usize, from: &[Option<usize>]) {
        let mut column = end;
        while let Some(before) = from[column] {
            self.row_of[column] = self.row_of[before];
            column = before;
        }
        self.row_of[column] = Some(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn best_by_trying(costs: &[Vec<f64>], row: usize, used: &mut Vec<usize>) -> f64 {
        if row == costs.len() {
            return 0.0;
        }
        let mut best = f64::INFINITY;
        for column in 0..costs[row].len() {
            if !used.contains(&column) {
                used.push(column);
                best = best.min(costs[row][column] + best_by_trying(costs, row + 1, used));
                used.pop();
            }
        }
        best
    }

    #[test]
    fn it_is_as_good_as_trying_everything() {
        let mut rng = Rng::new(5);
        for _ in 0..300 {
            let (rows, spare) = (1 + rng.below(5), rng.below(3));
            let costs: Vec<Vec<f64>> = (0..rows).map(|_| (0..rows + spare).map(|_| rng.unit() * 10.0 - 5.0).collect()).collect();
            let columns = assign(&costs);
            let total: f64 = columns.iter().enumerate().map(|(row, column)| costs[row][*column]).sum();
            let best = best_by_trying(&costs, 0, &mut Vec::new());
            assert!((total - best).abs() < 1e-9, "{total} {best} {costs:?}");
            let mut sorted = columns.clone();
            sorted.sort_unstable();
            sorted.dedup();
            assert_eq!(sorted.len(), columns.len());
        }
        assert!(assign(&[]).is_empty());
    }
}
