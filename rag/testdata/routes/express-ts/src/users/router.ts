import { Router } from 'express';

export const usersRouter = Router();
export const internalRouter = Router();

usersRouter.get('/:id', function profile(req, res) {
  res.json({});
});

internalRouter.get('/:id', function secret(req, res) {
  res.json({});
});
