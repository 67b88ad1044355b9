const express = require('express');
const users = require('./users');

const BASE = '/v1';
const app = express();
const router = express.Router();
const nested = express.Router({ mergeParams: true });

function listItems(req, res) {
  res.json([]);
}

const getItem = async (req, res) => {
  const cached = cache.get('/items', load);
  res.json(cached);
};

const controller = {
  create(req, res) {},
};

app.get('/', (req, res) => {
  res.send('');
});
app.get('env');
app.set('/x', 1);
router.get('/items', listItems);
router.get('/items/:id', auth, asyncHandler(getItem));
router.post(`${BASE}/items`, controller.create);
router.put(['/a/:x(\\d+)', '/b/:y?'], [auth, validate, users.update]);
router.route('/orders')
  .get(listItems)
  .post(auth, (req, res) => {
    res.end();
  });
router.all('/files/*', users.files);
nested.delete('/parts/:part', users.remove.bind(users));
router.use('/nested', nested);
app.use('/api', auth, router);

axios.get('/items', options);
client.get('/items', callback);

class Server {
  constructor() {
    this.app = express();
    this.app.get('/health', this.health);
    this.app.get('/ready', this.ready.bind(this));
  }

  health(req, res) {}

  ready(req, res) {}
}

module.exports = (app) => {
  app.patch('/late', listItems);
};

app.get('/guarded', needs('read'), flows.get, api.errorHandler);
app.put('/guarded', save, (error, req, res, next) => next(error));
app.post('/failing', showError);
app.get(/^\/library\/([^\/]+)\/(.*)$/, entry);
app.get(/.*fly$/, butterfly);
