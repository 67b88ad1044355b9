import { Request, Response } from 'express';

export const findOne = async (req: Request, res: Response) => {
  res.json({ id: req.params.id });
};

export async function add(req: Request, res: Response) {
  res.json(req.body);
}
