//! Crate docs.
use std::fmt;

/// A point.
#[derive(Debug, Clone)]
#[repr(C)]
pub struct Point<T> { x: T, y: T }

pub struct Unit;
struct Tuple(i32, String);

pub(crate) enum Shape { Circle(f64), Square { side: f64 } }

/// Area.
pub trait Area: fmt::Debug {
    const N: usize = 1;
    type Out;
    fn area(&self) -> f64;
    fn name(&self) -> String { "shape".into() }
}

impl<T: Copy> Point<T> {
    pub const fn new(x: T, y: T) -> Self { Self { x, y } }
    #[inline]
    #[must_use = "x"]
    pub fn get<'a>(&'a self) -> &'a T { &self.x }
}

impl<T> Area for Point<T> where T: fmt::Debug {
    type Out = T;
    fn area(&self) -> f64 {
        let square = |n: f64| n * n;
        fn helper(n: f64) -> f64 { n }
        square(helper(1.0))
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "unit") }
}

impl dyn Area<Out = i32> { fn boxed(self: Box<Self>) {} }

macro_rules! shout { ($x:expr) => { println!("{}", $x) }; }

pub mod deep {
    pub(super) async fn load(id: u64) -> Result<(), ()> { Ok(()) }
    pub mod er { pub unsafe extern "C" fn ffi() {} }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn größe() { assert!(true); }
}

extern "C" { fn external(x: i32) -> i32; }

#[tokio::main]
async fn main() {}
