import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import jp.sonae.ApiClient;
import jp.sonae.api.*;
import jp.sonae.model.*;

/** The flow of an integrator with a Java client of openapi-generator. */
public class Flow {
    /** The native library writes the path of a file where its bytes belong. */
    static class Mapper extends ObjectMapper {
        Mapper(ObjectMapper other) {
            super(other);
        }

        @Override
        public ObjectMapper copy() {
            return new Mapper(this);
        }

        @Override
        public byte[] writeValueAsBytes(Object value) throws JsonProcessingException {
            if (!(value instanceof File file)) return super.writeValueAsBytes(value);
            try {
                return Files.readAllBytes(file.toPath());
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }
    }

    static JobsApi jobs;

    static Job ended(Job job) throws Exception {
        while (job.getFinishedAt() == null) {
            Thread.sleep(100);
            job = jobs.getJob(job.getId());
        }
        if (!job.getState().equals("succeeded")) throw new IllegalStateException(job.toString());
        return job;
    }

    public static void main(String[] arguments) throws Exception {
        ApiClient client = new ApiClient();
        client.setObjectMapper(new Mapper(ApiClient.createDefaultObjectMapper()));
        client.updateBaseUri(System.getenv("URL"));
        client.setRequestInterceptor(request -> request.header("authorization", "Bearer " + System.getenv("TOKEN")));
        jobs = new JobsApi(client);
        new SuppliersApi(client).createSupplier(new CreateSupplier().supplierCode("J-1").name("備製作所㈱"));
        ImportsApi imports = new ImportsApi(client);
        Job csv = ended(imports.createImport(new File("suppliers.csv"), "suppliers", null, null, null, null, null));
        if (csv.getResult().getCreated() + csv.getResult().getUnchanged() != 2) throw new IllegalStateException(csv.toString());
        Job book = ended(imports.createImport(new File("suppliers.xlsx"), null, null, null, null, null, null));
        if (book.getResult().getCreated() + book.getResult().getUnchanged() != 1) throw new IllegalStateException(book.toString());
        ended(new ScoreRunsApi(client).startScoreRun(new StartScoreRun()));
        ScoreDetail score = new ScoresApi(client).getScoreByCode("X-1", null, null, null, null);
        if (!score.getGrade().matches("[A-E]")) throw new IllegalStateException(score.toString());
        System.out.println("registered, imported, scored, looked up: " + score.getSupplierCode() + " " + score.getGrade());
    }
}
