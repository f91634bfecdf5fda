// The flow of an integrator with openapi-typescript and openapi-fetch.
import { readFileSync } from "node:fs";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

type Job = components["schemas"]["Job"];

const client = createClient<paths>({
  baseUrl: process.env["URL"] ?? "",
  headers: { authorization: `Bearer ${process.env["TOKEN"]}` },
});

function need<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

async function wait(job: Job): Promise<Job> {
  while (job.finished_at === null) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    job = need(await client.GET("/v1/jobs/{id}", { params: { path: { id: job.id } } }));
  }
  if (job.state !== "succeeded") throw new Error(JSON.stringify(job));
  return job;
}

async function upload(file: string, kind?: "suppliers"): Promise<number> {
  const answer = await client.POST("/v1/imports", {
    params: { query: { kind } },
    // The document's binary is a string to this generator; the bytes go out as they are.
    body: readFileSync(file) as unknown as string,
    bodySerializer: (bytes) => bytes as unknown as BodyInit,
    headers: { "content-type": "application/octet-stream" },
  });
  const { result } = await wait(need(answer));
  if (result === null) throw new Error("no result");
  return result.created + result.unchanged;
}

const supplier = need(
  await client.POST("/v1/suppliers", { body: { supplier_code: "T-1", name: "備製作所㈱" } }),
);
if (supplier.version !== 1) throw new Error(JSON.stringify(supplier));
if ((await upload("suppliers.csv", "suppliers")) !== 2) throw new Error("CSV");
if ((await upload("suppliers.xlsx")) !== 1) throw new Error("workbook");
await wait(need(await client.POST("/v1/score-runs", { body: {} })));
const score = need(await client.GET("/v1/scores/by-code", { params: { query: { code: "X-1" } } }));
const text = need(await client.GET("/v1/exports/scores.csv", { parseAs: "text" }));
if (typeof text !== "string" || !text.includes("霧岬システムズ㈱")) throw new Error("export");
console.log("registered, imported, scored, looked up, exported:", score.supplier_code, score.grade);
