function good() { return 1; }

const bad = ( => {

function after(x) {
  return x;
}
