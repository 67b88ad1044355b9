import { Router, Request, Response } from 'express';

export const itemsRouter = Router();

itemsRouter.get('/:id', async (req: Request, res: Response): Promise<void> => {
  res.json({});
});

export class Controller {
  public readonly router: Router = Router();

  constructor() {
    this.router.post('/create', this.create as RequestHandler);
  }

  private create = async (req: Request, res: Response) => {};
}
