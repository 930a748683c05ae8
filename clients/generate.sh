#!/bin/sh
# generate.sh PYTHON: the clients of README.md, beside it. PYTHON runs the product; the generators live in clients/.tools.
set -eu
python=$1 here=$(cd "$(dirname "$0")" && pwd)
tools=$here/.tools
DOTENV_FILE='' SECRET_KEY=only-for-clients PHONEPE_SIMULATION_MODE=True "$python" -m tools.client_schema "$here/openapi.json" "$here/bruno"
test -x "$tools/bin/openapi-python-client" || { python3 -m venv "$tools" && "$tools/bin/pip" install -q openapi-python-client==0.26.2 ruff; }
mkdir -p "$here/python"
PATH="$tools/bin:$PATH" "$tools/bin/openapi-python-client" generate --path "$here/openapi.json" --output-path "$here/python/okpuja_client" \
    --meta none --overwrite > "$here/.python.log" 2>&1 || { cat "$here/.python.log"; exit 1; }
"$tools/bin/python" -m compileall -q "$here/python"
echo "clients/python: compiled"
if command -v npm > /dev/null; then
    (cd "$here" && npm install --silent --no-audit --no-fund --prefix .node openapi-typescript@7.6.1 openapi-fetch@0.13.5 typescript@5.7.3 \
        && mkdir -p typescript && .node/node_modules/.bin/openapi-typescript openapi.json -o typescript/okpuja.d.ts > /dev/null \
        && .node/node_modules/.bin/tsc --noEmit --strict --skipLibCheck false --target es2022 --module nodenext --moduleResolution nodenext \
            --typeRoots .node/node_modules/@types try_client.ts)
    echo "clients/typescript: compiled"
else
    echo "NO NODE: the TypeScript client was not generated. Install Node.js 20."
fi
