function show(req, res) {
  res.json({ orders: [] });
}

module.exports = { show };
