// A plugin that uses LLVM; built twice, against two versions, and loaded into one process. Inspecting any file makes a module and says
// which library made it.
#include <dlfcn.h>
#include <llvm-c/Core.h>
#include <llvm/Config/llvm-config.h>

#include <lathe/plugin.hpp>

namespace {
namespace sdk = lathe::sdk;

struct Inspector {
  static int recognise(const sdk::FileHead&) { return 1; }
  static std::string inspect(sdk::Host, const std::string&) {
    LLVMContextRef context = LLVMContextCreate();
    LLVMModuleRef module = LLVMModuleCreateWithNameInContext("made", context);
    LLVMTypeRef type = LLVMFunctionType(LLVMInt32TypeInContext(context), nullptr, 0, 0);
    LLVMBuilderRef builder = LLVMCreateBuilderInContext(context);
    LLVMPositionBuilderAtEnd(builder, LLVMAppendBasicBlockInContext(context, LLVMAddFunction(module, "answer", type), "entry"));
    LLVMBuildRet(builder, LLVMConstInt(LLVMInt32TypeInContext(context), 42, 0));
    char* printed = LLVMPrintModuleToString(module);
    const bool right = std::string(printed).find("ret i32 42") != std::string::npos;
    LLVMDisposeMessage(printed);
    LLVMDisposeBuilder(builder);
    LLVMDisposeModule(module);
    LLVMContextDispose(context);
    Dl_info where = {};
    dladdr(reinterpret_cast<void*>(&LLVMContextCreate), &where);
    return std::string("{\"format\": \"llvm\", \"right\": ") + (right ? "true" : "false") +
           ", \"header\": \"" LLVM_VERSION_STRING "\", \"library\": \"" + (where.dli_fname ? where.dli_fname : "") + "\"}";
  }
};

}  // namespace

#define NAME_TEXT LATHE_SDK_STRING(PLUGIN_NAME)
LATHE_PLUGIN(NAME_TEXT, "1.0.0", "Tests", "Uses LLVM.", sdk::InspectorPart<Inspector>)
