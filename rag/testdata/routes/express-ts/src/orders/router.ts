import { Router } from 'express';
import * as handlers from './handlers';

const router = Router();
router.get('/:id', handlers.findOne);
router.post('/', handlers.add);
export default router;
