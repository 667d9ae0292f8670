// SPDX-License-Identifier: MIT
// echo.js - node: each connection is piped into itself
const server = require("net").createServer((connection) => {
	connection.on("error", () => connection.destroy());
	connection.pipe(connection);
});

server.listen({ host: "127.0.0.1", port: 0, backlog: 1024 }, () => {
	console.log("listening on " + server.address().port);
});
