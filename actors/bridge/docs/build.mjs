// build - puts the renderer into one page that asks nobody else for anything.
//
//   node build.mjs SOURCE PACKAGES OUT     SOURCE: this folder; PACKAGES: where npm has put node_modules
//
// The policy of the page names its two scripts by their hashes, so that no other script runs in it.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [source, packages, out] = process.argv.slice(2);
const swagger = join(packages, "node_modules", "swagger-ui-dist");
const read = (...path) => readFileSync(join(...path), "utf8");
// In HTML a script ends with the first </script, wherever that stands in it.
const inline = (text) => text.replace(/<\/(script)/gi, "<\\/$1").replace(/<!--/g, "<\\!--");
const hash = (text) => `'sha256-${createHash("sha256").update(text, "utf8").digest("base64")}'`;

const renderer = inline(read(swagger, "swagger-ui-bundle.js").replace(/\n?\/\/# sourceMappingURL=.*\s*$/, ""));
const start = inline(read(source, "start.js"));
const style = read(swagger, "swagger-ui.css").replace(/\n?\/\*# sourceMappingURL=.*\*\/\s*$/, "");
const policy = ["default-src 'none'", `script-src ${hash(renderer)} ${hash(start)}`, "style-src 'unsafe-inline'",
  "img-src 'self' data:", "font-src data:", "connect-src 'self'", "base-uri 'none'", "form-action 'none'"].join("; ");
const parts = { POLICY: policy, VERSION: JSON.parse(read(swagger, "package.json")).version, STYLE: style, RENDERER: renderer,
  START: start };
writeFileSync(out, read(source, "page.html").replace(/@([A-Z]+)@/g, (whole, name) => parts[name] ?? whole));
