// A town's sign-on for the tests: oidc-provider (OpenID certified) on this machine, with accounts of its own.
// Arguments: where the package is installed, port, address to return to.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, port, back] = process.argv.slice(2);
const require = createRequire(`${folder}/`);
const { Provider } = await import(pathToFileURL(require.resolve("oidc-provider")));

const home = new URL("/", back).href;
const issuer = `http://127.0.0.1:${port}`;
const accounts = {
  erika: { email: "erika@town.example", email_verified: true },
  unverified: { email: "erika@town.example", email_verified: false },
  stranger: { email: "stranger@town.example", email_verified: true },
};
const provider = new Provider(issuer, {
  clients: [
    { client_id: "spurwechsel", client_secret: "s".repeat(40), redirect_uris: [back], post_logout_redirect_uris: [home] },
    { client_id: "public", token_endpoint_auth_method: "none", redirect_uris: [back] },
  ],
  claims: { openid: ["sub"], email: ["email", "email_verified"] },
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  findAccount: (_context, id) =>
    accounts[id] ? { accountId: id, claims: async () => ({ sub: id, ...accounts[id] }) } : undefined,
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
});
// Instead of a form for a password: /interaction/<uid>?account=<name> signs that account on and agrees.
provider.use(async (context, next) => {
  if (!context.path.startsWith("/interaction/")) return next();
  const details = await provider.interactionDetails(context.req, context.res);
  const account = context.query.account;
  if (account === "nobody") {
    await provider.interactionFinished(context.req, context.res, { error: "access_denied" });
  } else if (details.prompt.name === "login") {
    await provider.interactionFinished(context.req, context.res, { login: { accountId: account } });
  } else {
    const grant = new provider.Grant({ accountId: details.session.accountId, clientId: details.params.client_id });
    grant.addOIDCScope("openid email");
    const grantId = await grant.save();
    await provider.interactionFinished(context.req, context.res, { consent: { grantId } }, { mergeWithLastSubmission: true });
  }
  context.respond = false;
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
