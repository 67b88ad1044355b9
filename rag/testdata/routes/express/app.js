const express = require('express');
const api = require('./routes');

const app = express();
app.use(express.json());
app.use('/api', api);
app.use('/files', require('./routes/files'));

module.exports = app;
