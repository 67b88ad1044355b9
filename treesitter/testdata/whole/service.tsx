import React, { useState } from "react";

type Props<T> = { items: T[]; render: (item: T) => React.ReactNode };

/** A list. */
export function List<T,>({ items, render }: Props<T>) {
  const [open, setOpen] = useState(false);
  const onClick = (e: React.MouseEvent) => setOpen(!open);
  return (
    <ul onClick={onClick}>
      {items.map((item, i) => <li key={i}>{render(item)}</li>)}
    </ul>
  );
}

export const Button = React.memo(function Button({ label }: { label: string }) {
  return <button>{label}</button>;
});

export const Input = React.forwardRef<HTMLInputElement, {}>((props, ref) => <input ref={ref} {...props} />);

export const Panel: React.FC<{ title: string }> = ({ title, children }) => (
  <section>
    <h1>{title}</h1>
    {children}
  </section>
);

export default class App extends React.Component<{}, { n: number }> {
  state = { n: 0 };
  increment = () => this.setState(({ n }) => ({ n: n + 1 }));
  render() {
    return <Button label={`${this.state.n}`} />;
  }
}

const withAuth = <P extends object>(Inner: React.ComponentType<P>) => {
  return function Wrapped(props: P) {
    return <Inner {...props} />;
  };
};
