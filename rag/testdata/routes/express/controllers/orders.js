async function show(req, res) {
  res.json({ id: req.params.id });
}

const place = async (req, res) => {
  res.status(201).json(req.body);
};

function remove(req, res) {
  res.status(204).end();
}

module.exports = { show, place, remove };
