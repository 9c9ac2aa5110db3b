//! Sizes of axes that need not be numbers: a product of a number and of symbols such as the batch.

/// Something that is known when the graph runs, and the same wherever it occurs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(pub u32);

/// `factor` times the product of `symbols`; two sizes are equal at run time if they are equal here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Size {
    factor: i64,
    symbols: Vec<Symbol>,
}

/// The sizes of all axes.
pub type Shape = Vec<Size>;

/// Larger sizes are no sizes: 2^40 bytes are beyond any machine's memory. What is computed of two of
/// them, or of one and a window's numbers, then stays within 64 bits.
pub const LARGEST: i64 = 1 << 40;
/// More axes than any engine has.
pub const MOST_AXES: usize = 64;
/// A size that is a product of more symbols than this is taken for unknown.
const MOST_SYMBOLS: usize = 8;

/// Whether an engine could have a tensor of this shape.
pub fn is_possible(shape: &[Size]) -> bool {
    shape.len() <= MOST_AXES && shape.iter().all(|size| (0..=LARGEST).contains(&size.factor))
}

impl Size {
    /// A number.
    pub fn fixed(value: i64) -> Self {
        Self { factor: value, symbols: vec![] }
    }

    /// A symbol.
    pub fn symbol(symbol: Symbol) -> Self {
        Self { factor: 1, symbols: vec![symbol] }
    }

    /// The number, where it is one.
    pub fn value(&self) -> Option<i64> {
        (self.symbols.is_empty() || self.factor == 0).then_some(self.factor)
    }

    /// The number that it is where every symbol is 1, if no symbol but those of `other` is in it.
    pub fn with_one(&self, other: &Self) -> Option<i64> {
        let known = self.symbols.iter().all(|symbol| other.symbols.contains(symbol));
        known.then_some(self.factor)
    }

    /// Whether it is this number.
    pub fn is(&self, value: i64) -> bool {
        self.value() == Some(value)
    }

    /// The product; `None` where it leaves 64 bits or is of too many symbols.
    pub fn times(&self, other: &Self) -> Option<Self> {
        if self.symbols.len() + other.symbols.len() > MOST_SYMBOLS {
            return None;
        }
        let mut symbols = [self.symbols.as_slice(), &other.symbols].concat();
        symbols.sort_unstable();
        Some(Self { factor: self.factor.checked_mul(other.factor)?, symbols })
    }

    /// The quotient, where it is exact whatever the symbols are.
    pub fn over(&self, other: &Self) -> Option<Self> {
        if self.factor.checked_rem(other.factor) != Some(0) {
            return None;
        }
        let mut symbols = self.symbols.clone();
        for symbol in &other.symbols {
            symbols.remove(symbols.iter().position(|mine| mine == symbol)?);
        }
        Some(Self { factor: self.factor / other.factor, symbols })
    }

    /// Applies `operation` where both are numbers.
    pub fn zip(&self, other: &Self, operation: impl Fn(i64, i64) -> Option<i64>) -> Option<Self> {
        Some(Self::fixed(operation(self.value()?, other.value()?)?))
    }
}

/// Number of elements.
pub fn count(shape: &[Size]) -> Option<Size> {
    shape.iter().try_fold(Size::fixed(1), |product, size| product.times(size))
}

/// The numbers of a shape without symbols.
pub fn numbers(shape: &[Size]) -> Option<Vec<i64>> {
    shape.iter().map(Size::value).collect()
}

/// A shape of numbers.
pub fn fixed(dims: &[i64]) -> Shape {
    dims.iter().copied().map(Size::fixed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_quotients_keep_the_symbols() {
        let (n, m) = (Size::symbol(Symbol(0)), Size::symbol(Symbol(1)));
        let six_nm = Size::fixed(6).times(&m).and_then(|size| size.times(&n)).unwrap();
        assert_eq!(six_nm, Size::fixed(6).times(&n).and_then(|size| size.times(&m)).unwrap());
        let three_m = six_nm.over(&Size::fixed(2).times(&n).unwrap()).unwrap();
        assert_eq!(three_m, Size::fixed(3).times(&m).unwrap());
        assert_eq!(three_m.over(&n), None);
        assert_eq!(three_m.over(&Size::fixed(2)), None);
        assert_eq!(three_m.value(), None);
        assert!(six_nm.over(&six_nm).unwrap().is(1));
        assert_eq!(Size::fixed(i64::MAX).times(&Size::fixed(2)), None);
    }
}
