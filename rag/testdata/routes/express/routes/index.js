const router = require('express').Router();
const orders = require('./orders');

router.use('/orders', orders);

module.exports = router;
