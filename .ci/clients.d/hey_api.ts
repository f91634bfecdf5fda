// The flow of an integrator with @hey-api/openapi-ts.
import { readFileSync } from "node:fs";
import { client } from "./hey/client.gen";
import { createImport, createSupplier, exportScoresCsv, getJob, getScoreByCode, startScoreRun } from "./hey/sdk.gen";
import type { Job } from "./hey/types.gen";

client.setConfig({ baseUrl: process.env["URL"] ?? "", auth: () => process.env["TOKEN"] ?? "" });

function need<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

async function wait(job: Job): Promise<Job> {
  while (job.finished_at === null) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    job = need(await getJob({ path: { id: job.id } }));
  }
  if (job.state !== "succeeded") throw new Error(JSON.stringify(job));
  return job;
}

async function upload(file: string, kind?: "suppliers"): Promise<number> {
  const { result } = await wait(need(await createImport({ body: new Blob([readFileSync(file)]), query: { kind } })));
  if (result === null) throw new Error("no result");
  return result.created + result.unchanged;
}

const supplier = need(await createSupplier({ body: { supplier_code: "H-1", name: "備製作所㈱" } }));
if (supplier.version !== 1) throw new Error(JSON.stringify(supplier));
if ((await upload("suppliers.csv", "suppliers")) !== 2) throw new Error("CSV");
if ((await upload("suppliers.xlsx")) !== 1) throw new Error("workbook");
await wait(need(await startScoreRun({ body: {} })));
const score = need(await getScoreByCode({ query: { code: "X-1" } }));
const text = need(await exportScoresCsv());
if (typeof text !== "string" || !text.includes("霧岬システムズ㈱")) throw new Error("export");
console.log("registered, imported, scored, looked up, exported:", score.supplier_code, score.grade);
