const express = require('express');
const controller = require('../controllers/orders');
const { remove } = require('../controllers/orders');

const router = express.Router();

router.get('/:id', controller.show);
router.post('/', controller.place);
router.delete('/:id', remove);

module.exports = router;
