// Builds the page into the package: hashed names, and beside each file its gzip and Brotli forms. The same sources give
// the same bytes anywhere: the compressors come from the lock file, not from the machine's Node.
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { build } from "esbuild";
import { gzipSync } from "fflate";

// Its ECMAScript module is for browsers.
const brotli = createRequire(import.meta.url)("brotli-wasm");

const out = new URL("../src/convstore/http/built/", import.meta.url);
const source = (name) => new URL(`src/${name}`, import.meta.url);

// What browsers of cheap phones, some years old, understand.
const target = "es2020";

async function bundled(entry) {
  const result = await build({
    entryPoints: [source(entry).pathname],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    charset: "utf8",
    legalComments: "none",
    jsx: "automatic",
    jsxImportSource: "preact",
    logLevel: "warning",
    target,
  });
  return Buffer.from(result.outputFiles[0].contents);
}

function hashed(name, content) {
  const [stem, ending] = name.split(".");
  return `${stem}.${createHash("sha256").update(content).digest("hex").slice(0, 12)}.${ending}`;
}

async function put(name, content) {
  await writeFile(new URL(name, out), content);
  await writeFile(new URL(`${name}.gz`, out), gzipSync(content, { level: 9, mtime: 0 }));
  await writeFile(new URL(`${name}.br`, out), brotli.compress(content, { quality: 11 }));
}

const assets = {
  "app.js": await bundled("main.tsx"),
  "app.css": await bundled("page.css"),
  "icon.svg": await readFile(source("icon.svg")),
};

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
let page = (await readFile(source("index.html"), "utf8")).replace(/\n\s*/g, "\n");
for (const [name, content] of Object.entries(assets)) {
  const final = hashed(name, content);
  page = page.replaceAll(`page/${name}`, `page/${final}`);
  await put(final, content);
}
await put("index.html", Buffer.from(page));
