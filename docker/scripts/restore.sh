#!/bin/sh
# Called by docker/restore.sh on the host: restore a backup of backup.sh from stdin.
# `restore.sh check` only checks whether the restore would be refused.
#
# No data change until the whole file has arrived and its checksums are correct. A stack with runs
# or studies is refused unless FORCE=yes.
set -eu
umask 077

address() { echo "postgresql://$1@postgres/$1?passfile=/secrets/$1/pgpass"; }
ask() { psql -w -X -v ON_ERROR_STOP=1 -qtA -d "$(address "$1")" -c "$2"; }
# rows DATABASE TABLE: the number of rows; 0 if there is no such table
rows() {
    [ "$(ask "$1" "SELECT to_regclass('public.$2') IS NOT NULL")" = t ] || { echo 0; return; }
    ask "$1" "SELECT count(*) FROM $2"
}

runs=$(rows mlflow runs)
studies=$(rows optuna studies)
if [ "$runs$studies" != 00 ] && [ "${FORCE:-}" != yes ]; then
    echo "restore: this stack has $runs runs and $studies studies, which a restore would remove;" \
        "FORCE=yes does it." >&2
    exit 1
fi

[ "${1:-}" != check ] || exit 0

incoming=/artifacts/incoming
rm -rf "$incoming"
mkdir "$incoming"
trap 'cd / && rm -rf "$incoming"' EXIT
cd "$incoming"
tar -xf -
sha256sum --quiet -c SHA256SUMS

cat > empty.sql << 'END'
SET client_min_messages = warning;
DO $$ DECLARE found record; BEGIN
    FOR found IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
        EXECUTE format('DROP TABLE public.%I CASCADE', found.tablename);
    END LOOP;
    FOR found IN SELECT typname FROM pg_type
            WHERE typtype = 'e' AND typnamespace = 'public'::regnamespace LOOP
        EXECUTE format('DROP TYPE public.%I CASCADE', found.typname);
    END LOOP;
    FOR found IN SELECT oid::regprocedure AS signature FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace LOOP
        EXECUTE format('DROP ROUTINE %s CASCADE', found.signature);
    END LOOP;
END $$;
END
# One transaction per database: it stays unchanged, or is restored completely.
for database in mlflow optuna; do
    pg_restore --no-owner --no-privileges -f "$database.sql" "$database.dump"
done
for database in mlflow optuna; do
    psql -w -X -q -v ON_ERROR_STOP=1 --single-transaction -d "$(address "$database")" \
        -f empty.sql -f "$database.sql" > /dev/null
done
rm -rf /artifacts/store
mv store /artifacts/store
echo "restore: $(rows mlflow runs) runs and $(rows optuna studies) studies are back"
