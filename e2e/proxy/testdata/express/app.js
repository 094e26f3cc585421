// A panel in Express, with the middleware that is in examples/proxy/express.
const express = require("express");
const adminsessions = require("../../../../examples/proxy/express/adminsessions.js");

const clients = new Map([["7731", { name: "Søhne & Co", status: "active" }]]);
const app = express();
app.use(express.json());
app.use((req, res, next) => {
  if (req.get("Cookie") === "sid=anna") req.user = { id: 7, email: "anna@example.com", name: "Änna" };
  next();
});
app.use(adminsessions);

app.post("/clients", (req, res) => {
  const { id, name } = req.body;
  if (!name) {
    req.audit({ Action: "clients.create", Outcome: "failure", Note: "a name is missing" });
    return res.sendStatus(422);
  }
  clients.set(id, { name, status: "active" });
  req.audit({ Action: "clients.create", Resource: `client/${id} ${name}`, Changes: { name: [null, name], status: [null, "active"] } });
  res.status(201).json({ id });
});
app.post("/clients/:id/suspend", (req, res) => {
  const client = clients.get(req.params.id);
  req.audit({ Action: "clients.suspend", Resource: `client/${req.params.id} ${client.name}`, Changes: { status: [client.status, "suspended"] } });
  client.status = "suspended";
  res.redirect("/clients");
});
app.delete("/clients/:id", (req, res) => {
  if (!req.user) return res.sendStatus(403);
  req.audit({ Action: "clients.delete", Resource: `client/${req.params.id} ${clients.get(req.params.id).name}` });
  clients.delete(req.params.id);
  res.sendStatus(204);
});
app.get("/fails", (req) => {
  req.audit({ Action: "clients.export" });
  throw new Error("the export fails");
});

const [host, port] = process.argv[2].split(":");
app.listen(port, host);
