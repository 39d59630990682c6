package circulation.peers;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;

/**
 * The running sum of uses of each contract, exactly once, and no rule at all: the least that the monitor has to do.
 *
 * <p>Arguments: bootstrap servers, application id (its consumer group), topic in, topic out (contract, sum of uses),
 * folder of state, threads, milliseconds between commits.
 */
public final class UsageSums {
  private static final String USAGE_REPORTED = "circulation.usage.reported";
  private static final ObjectReader EVENT = new ObjectMapper().readerFor(JsonNode.class);

  private UsageSums() {}

  public static void main(String[] arguments) throws InterruptedException {
    Properties settings = new Properties();
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[1]);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[4]);
    settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, arguments[5]);
    settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, arguments[6]);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    KafkaStreams streams = new KafkaStreams(topology(arguments[2], arguments[3]).build(), settings);
    CountDownLatch ended = new CountDownLatch(1);
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          ended.countDown();
          return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
    Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(20))));
    streams.start();
    ended.await();
    System.exit(1);
  }

  private static StreamsBuilder topology(String in, String out) {
    StreamsBuilder builder = new StreamsBuilder();
    builder.stream(in, Consumed.with(Serdes.String(), Serdes.ByteArray()))
        .mapValues(UsageSums::uses)
        .filter((contract, uses) -> uses != null)
        .groupByKey(Grouped.with(Serdes.String(), Serdes.Long()))
        .reduce(Long::sum, Materialized.with(Serdes.String(), Serdes.Long()))
        .toStream()
        .to(out, Produced.with(Serdes.String(), Serdes.Long()));
    return builder;
  }

  /** The uses that an event reports; null where it is of another type. */
  private static Long uses(byte[] record) {
    try {
      JsonNode event = EVENT.readTree(record);
      if (!USAGE_REPORTED.equals(event.path("type").textValue())) {
        return null;
      }
      return event.path("data").path("uses").longValue();
    } catch (IOException error) {
      throw new IllegalArgumentException("a record that is no JSON", error);
    }
  }
}
