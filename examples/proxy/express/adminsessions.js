// What a request did, told to adminsessions proxy: app.use(adminsessions) behind
// what signs users in. Handlers say more with
//   req.audit({ Action: "clients.suspend", Resource: "client/7731 Acme", Changes: { status: ["active", "suspended"] } });
module.exports = function adminsessions(req, res, next) {
  const said = {};
  req.audit = (more) => Object.assign(said, more);
  const writeHead = res.writeHead;
  res.writeHead = function (...args) {
    if (req.user) Object.assign(said, { Id: req.user.id, Email: req.user.email, Name: req.user.name, ...said });
    for (const [name, value] of Object.entries(said)) {
      if (value == null) continue;
      const text = typeof value === "object" ? JSON.stringify(value) : String(value);
      res.setHeader("X-Audit-" + name, "UTF-8''" + encodeURIComponent(Buffer.from(text).toString())); // half a surrogate pair would throw
    }
    return writeHead.apply(this, args);
  };
  next();
};
