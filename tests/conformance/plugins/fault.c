/* Which fault this plugin has, and its name; compiled once per plugin with FAULT and NAME. Beside faulty.cpp, which is compiled once. */
__attribute__((visibility("hidden"))) const char lathe_test_fault[] = FAULT;
__attribute__((visibility("hidden"))) const char lathe_test_name[] = NAME;
