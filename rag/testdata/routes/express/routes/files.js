const router = require('express').Router();

router.get('/:name', function download(req, res) {
  res.sendFile(req.params.name);
});

module.exports = router;
