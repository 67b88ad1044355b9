export default async (a: number): Promise<number> => a;
