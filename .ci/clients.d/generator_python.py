"""The flow of an integrator with a client of openapi-generator."""

import json
import os
import time
from pathlib import Path

import sonae_api
from sonae_api.models.job import Job

client = sonae_api.ApiClient(sonae_api.Configuration(host=os.environ["URL"], access_token=os.environ["TOKEN"]))
imports, jobs = sonae_api.ImportsApi(client), sonae_api.JobsApi(client)


def wait(job):
    while job.finished_at is None:
        time.sleep(0.1)
        job = jobs.get_job(id=job.id)
    assert job.state == "succeeded", job
    return job


body = sonae_api.CreateSupplier(supplier_code="G-1", name="備製作所㈱")
supplier = sonae_api.SuppliersApi(client).create_supplier(create_supplier=body)
assert supplier.version == 1, supplier

job = wait(imports.create_import(Path("suppliers.csv").read_bytes(), kind="suppliers"))
assert job.result.created + job.result.unchanged == 2, job
job = wait(imports.create_import(Path("suppliers.xlsx").read_bytes()))
assert job.result.created + job.result.unchanged == 1, job

wait(sonae_api.ScoreRunsApi(client).start_score_run(start_score_run=sonae_api.StartScoreRun()))
score = sonae_api.ScoresApi(client).get_score_by_code(code="X-1")
assert score.grade in ("A", "B", "C", "D", "E"), score
text = sonae_api.ExportsApi(client).export_scores_csv()
assert "霧岬システムズ㈱" in str(text), text

# A value that is newer than the client breaks nothing.
newer = json.loads(job.to_json()) | {"state": "paused", "kind": "backup"}
assert Job.from_dict(newer).state == "paused"
print("registered, imported, scored, looked up, exported:", score.supplier_code, score.grade)
