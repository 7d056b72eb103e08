# cmake -DFROM=dir -DTO=dir -P newer_headers.cmake
# Copies the boundary's headers as version 1.1 might be: every struct that may grow has a field more at its end.
file(GLOB headers ${FROM}/*)
foreach(header ${headers})
  cmake_path(GET header FILENAME name)
  file(READ ${header} text)
  string(REPLACE "#define LATHE_ABI_MINOR 0u" "#define LATHE_ABI_MINOR 1u" text "${text}")
  foreach(struct plugin option diagnostic value tensor node attribute edit device verdict pass frontend backend executor inspector passes
          operator operators formal type_variable formal_attribute interface kernel_time tensors tensor_read_request tensor_write_request compile_request import_request load_request)
    string(REPLACE "} lathe_${struct};" "  const char* tomorrow;\n} lathe_${struct};" text "${text}")
  endforeach()
  string(REPLACE "} lathe_host;" "  void (*tomorrow)(void* context);\n} lathe_host;" text "${text}")
  string(REPLACE "} lathe_graph;" "  const char* tomorrow;\n} lathe_graph;" text "${text}")
  file(WRITE ${TO}/${name} "${text}")
endforeach()
