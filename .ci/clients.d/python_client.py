"""The flow of an integrator with a client of openapi-python-client."""

import os
import time
from io import BytesIO
from pathlib import Path

from sonae_client import AuthenticatedClient
from sonae_client.api.exports import export_scores_csv
from sonae_client.api.imports import create_import
from sonae_client.api.jobs import get_job
from sonae_client.api.score_runs import start_score_run
from sonae_client.api.scores import get_score_by_code
from sonae_client.api.suppliers import create_supplier
from sonae_client.models.create_import_kind import CreateImportKind
from sonae_client.models.create_supplier import CreateSupplier
from sonae_client.models.import_form import ImportForm
from sonae_client.models.start_score_run import StartScoreRun
from sonae_client.types import File

client = AuthenticatedClient(base_url=os.environ["URL"], token=os.environ["TOKEN"], raise_on_unexpected_status=True)


def wait(job):
    while job.finished_at is None:
        time.sleep(0.1)
        job = get_job.sync(id=job.id, client=client)
    assert job.state == "succeeded", job
    return job


supplier = create_supplier.sync(client=client, body=CreateSupplier(supplier_code="P-1", name="備製作所㈱"))
assert supplier.version == 1, supplier

csv = File(payload=BytesIO(Path("suppliers.csv").read_bytes()))
job = wait(create_import.sync(client=client, body=csv, kind=CreateImportKind.SUPPLIERS))
assert job.result.created + job.result.unchanged == 2, job
book = File(payload=BytesIO(Path("suppliers.xlsx").read_bytes()), file_name="suppliers.xlsx")
job = wait(create_import.sync(client=client, body=book))
assert job.result.created + job.result.unchanged == 1, job
form = ImportForm(file=File(payload=BytesIO(Path("suppliers.csv").read_bytes()), file_name="suppliers.csv"))
job = wait(create_import.sync(client=client, body=form))
assert job.result.unchanged == 2, job

wait(start_score_run.sync(client=client, body=StartScoreRun()))
score = get_score_by_code.sync(client=client, code="X-1")
assert score.grade in ("A", "B", "C", "D", "E"), score
text = export_scores_csv.sync(client=client)
assert "霧岬システムズ㈱" in text, text
print("registered, imported, scored, looked up, exported:", score.supplier_code, score.grade)
