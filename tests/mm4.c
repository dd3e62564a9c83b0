/* One queue before a few workers, with all columns of the attempts table: the limit that
   `bench_simulate.py` compares the simulator with.

   mm4 REQUESTS WORKERS ARRIVAL_RATE SERVICE_TIME ROUNDS
   prints the mean latency and the nanoseconds a request of the quickest round. */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static uint64_t mixed(uint64_t bits) {
    bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9u;
    bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBu;
    return bits ^ (bits >> 31);
}

static double exponential(uint64_t stream, uint64_t number) {
    uint64_t bits = mixed(stream + 0x9E3779B97F4A7C15u * (number + 1));
    return -log(((double)(bits >> 11) + 0.5) * 0x1p-53);
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + 1e-9 * now.tv_nsec;
}

typedef struct {
    int64_t *request, *attempt, *status;
    double *intended_s, *start_s, *end_s, *latency_s, *wait_s, *service_s;
    const char **outcome, **server;
} Table;

static void *column(size_t count) {
    void *memory = malloc(8 * count);
    if (memory == NULL) exit(1);
    return memory;
}

static Table new_table(size_t count) {
    Table table = {column(count), column(count), column(count), column(count),
                   column(count), column(count), column(count), column(count),
                   column(count), column(count), column(count)};
    return table;
}

static void free_table(Table table) {
    void *columns[] = {table.request, table.attempt, table.status,    table.intended_s,
                       table.start_s, table.end_s,   table.latency_s, table.wait_s,
                       table.service_s, table.outcome, table.server};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) free(columns[i]);
}

static double simulate(Table table, size_t count, int workers, double rate, double mean_s) {
    static const char *names[] = {"server-1", "server-2", "server-3", "server-4"};
    double free_at[64] = {0}, now = 0, sum = 0;
    uint64_t arrivals = mixed(1), services = mixed(2);
    for (size_t i = 0; i < count; i++) {
        now += exponential(arrivals, i) / rate;
        double service = mean_s * exponential(services, i);
        int first = 0;
        for (int worker = 1; worker < workers; worker++)
            if (free_at[worker] < free_at[first]) first = worker;
        double begin = free_at[first] > now ? free_at[first] : now;
        free_at[first] = begin + service;
        table.request[i] = i;
        table.attempt[i] = 1;
        table.status[i] = 200;
        table.intended_s[i] = table.start_s[i] = now;
        table.end_s[i] = begin + service;
        table.latency_s[i] = begin + service - now;
        table.wait_s[i] = begin - now;
        table.service_s[i] = service;
        table.outcome[i] = "ok";
        table.server[i] = names[first % 4];
        sum += table.latency_s[i];
    }
    return sum / count;
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    size_t count = strtoull(argv[1], NULL, 10);
    double best = INFINITY, mean = 0;
    for (int round = 0; round < atoi(argv[5]); round++) {
        double started = seconds();
        Table table = new_table(count);
        mean = simulate(table, count, atoi(argv[2]), atof(argv[3]), atof(argv[4]));
        double took = seconds() - started;
        free_table(table);
        if (took < best) best = took;
    }
    printf("%.9f %.3f\n", mean, 1e9 * best / count);
    return 0;
}
