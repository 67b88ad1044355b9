//! Crate docs.
use std::fmt;

/// Adds.
#[inline]
// between
#[must_use]
pub fn add(a: i32, b: i32) -> i32 {
    a + b
}

pub(crate) async unsafe fn risky<T: Clone>(x: T) -> T
where
    T: fmt::Debug,
{
    x.clone()
}

extern "C" fn callback(n: i32) -> i32 { n }

extern "C" {
    fn imported(n: i32) -> i32;
}

#[derive(Debug, Clone)]
pub struct Point<T> {
    x: T,
}

struct Unit;

pub enum Shape {
    Round(f64),
}

pub union Bits { a: u32, b: f32 }

type Alias = Point<i32>;

pub trait Area {
    const SIDES: u32;
    fn area(&self) -> f64;
    fn twice(&self) -> f64 {
        self.area() * 2.0
    }
}

impl<T> Point<T> {
    pub fn new(x: T) -> Self {
        Point { x }
    }

    /// Gets it.
    #[inline]
    pub fn get(&self) -> &T { &self.x }
}

impl<T: Copy> Area for Point<T> {
    const SIDES: u32 = 0;
    fn area(&self) -> f64 {
        fn helper() -> f64 { 0.0 }
        let closure = |x: f64| x + helper();
        closure(1.0)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { Ok(()) }
}

impl Area for &'static Unit {
    fn area(&self) -> f64 { 0.0 }
}

mod inner {
    pub fn visible() {}
    pub mod deep {
        pub struct Hidden;
        impl Hidden { fn go(&self) {} }
    }
}

macro_rules! square {
    ($x:expr) => { $x * $x };
}

#[cfg(test)]
mod tests {
    #[test]
    fn works() {}
}

static HANDLER: fn(i32) -> i32 = |x| x + 1;
