#!/usr/bin/env node
import { start } from "../src/start.js";

start(process.env);
