import express from 'express';
import ordersRouter from './orders/router.js';
import { usersRouter } from '@/users/router';

const app = express();
app.use('/api/orders', ordersRouter);
app.use('/api/users', usersRouter);
export default app;
