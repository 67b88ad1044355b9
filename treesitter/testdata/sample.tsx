import React, { FC } from 'react';

interface Props { name: string }

export const Hello: FC<Props> = ({ name }) => {
  const onClick = () => alert(name);
  return <button onClick={onClick}>{name}</button>;
};

export function Page({ children }: { children: React.ReactNode }) {
  return <main>{children}</main>;
}

export default class App extends React.Component<Props> {
  render() { return <Hello name={this.props.name} />; }
}
